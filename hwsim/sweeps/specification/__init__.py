"""SWEEP.yaml: read, checked, and made to stand on its own."""
