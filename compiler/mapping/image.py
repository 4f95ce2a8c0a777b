"""The DRAM image: constants, room for tensors, and the programs behind them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.program.program import PAGE, Placement, Segment, encode_all
from rtl.isa import INSTRUCTION_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from rtl.isa import Instruction

__all__ = ["ImageBuilder"]

_LIMIT = 1 << 32


class ImageBuilder:
    """Grows from byte 0 of the window; addresses handed out never move.

    Raises (all methods):
        ModelError: more than the 4 GiB that instructions can address.
    """

    def __init__(self, align: int) -> None:
        self._align = align
        self._size = 0
        self._constants: list[tuple[int, Callable[[], NDArray[np.uint8]]]] = []
        self.tensors: dict[str, Placement] = {}

    def constant(self, size: int, make: Callable[[], NDArray[np.uint8]]) -> int:
        """Address of ``size`` bytes, which ``make`` gives when the image is made."""
        address = self._room(size)
        self._constants.append((address, make))
        return address

    def tensor(self, name: str, shape: tuple[int, int, int]) -> int:
        """Address of a tensor, the same whenever it is asked for."""
        if name not in self.tensors:
            size = shape[0] * shape[1] * shape[2]
            self.tensors[name] = Placement(self._room(size), shape)
        return self.tensors[name].address

    def finish(self, programs: list[list[Instruction]]) -> tuple[Callable[[], NDArray[np.uint8]], int, list[Segment]]:
        """What makes the image, the bytes of it that are the window, and the programs at their addresses behind it."""
        window = -(-max(self._size, 1) // PAGE) * PAGE
        segments = []
        address = window
        for program in programs:
            segments.append(Segment(tuple(program), address))
            address += -(-len(program) * INSTRUCTION_BYTES // PAGE) * PAGE
        return functools.partial(_image, address, tuple(self._constants), segments), window, segments

    def _room(self, size: int) -> int:
        address = -(-self._size // self._align) * self._align
        self._size = address + size
        if self._size > _LIMIT:
            raise ModelError(f"the network needs more than {_LIMIT >> 30} GiB of DRAM")
        return address


def _image(
    size: int, constants: Sequence[tuple[int, Callable[[], NDArray[np.uint8]]]], segments: Sequence[Segment]
) -> NDArray[np.uint8]:
    image = np.zeros(size, np.uint8)
    for start, make in constants:
        data = make()
        image[start : start + data.size] = data
    for segment in segments:
        code = encode_all(list(segment.instructions))
        image[segment.address : segment.address + code.size] = code
    return image
