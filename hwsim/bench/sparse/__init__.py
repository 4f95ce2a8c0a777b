"""The zero-skipping engine beside what is published of EIE and of expectation-only models."""
