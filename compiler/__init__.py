"""The compiler: ONNX in, graph IR, passes, quantisation, mapping, program out.

``load`` reads a model, ``interpret`` says what it computes; both are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.errors import ModelError
    from compiler.frontend.load import load
    from compiler.interpreter import interpret, read_outputs

__all__ = ["ModelError", "interpret", "load", "read_outputs"]

_HOMES = {
    "ModelError": "compiler.errors",
    "interpret": "compiler.interpreter",
    "load": "compiler.frontend.load",
    "read_outputs": "compiler.interpreter",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'compiler' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
