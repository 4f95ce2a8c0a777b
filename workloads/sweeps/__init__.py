"""Sweeps to run as they are, or to begin from: ``hwsim sweep workloads/sweeps/<name>.yaml``."""
