"""Short names of layers, for people: converters write ``a/b/Relu;a/c/BiasAdd/ReadVariableOp;a/b/Conv2D1_prequant``."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NAME_WIDTH", "short_names"]

NAME_WIDTH = 24
"""No short name is longer."""

_SUFFIX = re.compile(r"(_prequant|_quantized|:\d+)$")
# The last parts of a path that name an operator or a parameter, not the module that the reader knows it by.
_OPERATOR = re.compile(
    r"(BiasAdd|ReadVariableOp|resource|Conv2D|FusedBatchNormV3|biases)\d*|Relu6?|Clip|Conv|MatMul|Gemm|AvgPool|MaxPool|Add"
)


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """A name for each of ``names``, in order: at most :data:`NAME_WIDTH` printable characters, no two the same.

    It is the shortest end of the layer's path that tells it from the others; where that is too long its middle goes,
    and where that leaves two alike they are numbered.
    """
    paths = [_path(name) for name in names]
    shown = [1] * len(paths)
    while True:
        tails = ["/".join(path[-n:]) for path, n in zip(paths, shown, strict=True)]
        count = Counter(tails)
        longer = [n + (count[tail] > 1 and n < len(path)) for path, n, tail in zip(paths, shown, tails, strict=True)]
        if longer == shown:
            return _numbered(tails)
        shown = longer


def _path(name: str) -> list[str]:
    """The parts of a layer's path, the operator's own left out."""
    printable = "".join(char if char.isprintable() else "?" for char in name).strip() or "?"
    parts = [_SUFFIX.sub("", part).strip("/") for part in printable.split(";")]
    # TensorFlow's converter joins the names of all that it fused; the bias is that of the layer's own module.
    biased = [part for part in parts if re.search(r"/BiasAdd\d*$", part)]
    path = [piece for piece in (biased or parts)[0].split("/") if piece] or [printable]
    while len(path) > 1 and _OPERATOR.fullmatch(path[-1]):
        path.pop()
    return path


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    taken: set[str] = set()
    numbered = []
    for name in names:
        candidate, number = _elided(name, NAME_WIDTH), 1
        while candidate in taken:
            number += 1
            ending = f" #{number}"
            candidate = _elided(name, NAME_WIDTH - len(ending)) + ending
        taken.add(candidate)
        numbered.append(candidate)
    return tuple(numbered)


def _elided(name: str, width: int) -> str:
    if len(name) <= width:
        return name
    head = (width - 1) // 3
    return f"{name[:head]}…{name[len(name) - (width - 1 - head) :]}"
