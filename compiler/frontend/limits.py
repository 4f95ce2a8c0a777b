"""How large a model may be. Beyond these a file is taken for hostile or broken, before anything is allocated."""

from __future__ import annotations

__all__ = ["MAX_ELEMENTS", "MAX_FILE_BYTES", "MAX_NODES", "element_count"]

MAX_FILE_BYTES = 2**31 - 1
"""A protobuf message cannot be longer."""
MAX_ELEMENTS = 2**28
"""Of one tensor: a 16k x 16k matrix."""
MAX_NODES = 100_000


def element_count(shape: tuple[int, ...]) -> int:
    """The product of the dimensions, in unbounded integers; -1 if one is negative."""
    count = 1
    for size in shape:
        if size < 0:
            return -1
        count *= size
    return count
