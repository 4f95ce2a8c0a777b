"""Versions of what computes a point."""

from __future__ import annotations

import functools
import json
import platform
from importlib import metadata

from hwsim import __version__
from hwsim.sweeps.evaluation.cache import source_hash

__all__ = ["environment"]

_PACKAGES = ("numpy", "onnx", "torch", "optuna")


@functools.cache
def environment() -> str:
    """As JSON: hwsim and the hash of its source, Python, the packages that figures depend on, the machine."""
    versions = {"hwsim": __version__, "source": source_hash(), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return json.dumps(versions | {"machine": platform.machine()}, sort_keys=True)
