"""The formats of weights that a file tells of in its metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from compiler.errors import ModelError
from compiler.ir.formats import ARITHMETICS, FORMATS_KEY, Format

if TYPE_CHECKING:
    import onnx

__all__ = ["formats_of"]

_MOST_BITS = 32


def formats_of(model: onnx.ModelProto) -> dict[str, Format]:
    """By the name of a layer; empty for a file that says nothing.

    Raises:
        ModelError: what it says is not what :func:`compiler.compress.finish.quantised_model` writes.

    """
    texts = [entry.value for entry in model.metadata_props if entry.key == FORMATS_KEY]
    if not texts:
        return {}
    try:
        tree = json.loads(texts[-1])
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise ModelError(f"its metadata {FORMATS_KEY!r} is not a JSON object; remove it or compress the model again")
    return {name: _format(name, entry) for name, entry in tree.items()}


def _format(layer: str, entry: object) -> Format:
    match entry:
        case {"name": str(name), "bits": int(bits), "arithmetic": str(arithmetic)} if 0 < bits <= _MOST_BITS:
            for known in ARITHMETICS:
                if known == arithmetic:
                    return Format(name, bits, known)
    raise ModelError(
        f"its metadata {FORMATS_KEY!r} gives layer {layer!r} a format that is none: name, bits (1-{_MOST_BITS}) and "
        f"arithmetic ({', '.join(ARITHMETICS)}) are needed"
    )
