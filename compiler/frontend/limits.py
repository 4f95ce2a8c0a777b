"""How large a model may be. Beyond these a file is taken for hostile or broken, before anything is allocated."""

from __future__ import annotations

__all__ = ["MAX_ACTIVATION", "MAX_ELEMENTS", "MAX_FILE_BYTES", "MAX_NODES", "MAX_WEIGHTS", "element_count"]

MAX_FILE_BYTES = 2**31 - 1
"""A protobuf message cannot be longer."""
MAX_ELEMENTS = 2**28
"""Of one initializer: a 16k x 16k matrix."""
MAX_WEIGHTS = 2**30
"""Elements of all initializers together, wherever they are stored: as int8 they must fit the accelerator's 4 GiB."""
MAX_ACTIVATION = 2**24
"""Elements of one activation: 64 channels of 512 x 512."""
MAX_NODES = 100_000


def element_count(shape: tuple[int, ...]) -> int:
    """The product of the dimensions, in unbounded integers; -1 if one is negative."""
    count = 1
    for size in shape:
        if size < 0:
            return -1
        count *= size
    return count
