"""The front end: a model file in, a graph of integer operators out."""

from __future__ import annotations

from compiler.frontend.build import import_model
from compiler.frontend.load import load

__all__ = ["import_model", "load"]
