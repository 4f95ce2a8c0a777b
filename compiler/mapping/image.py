"""The DRAM image: constants, room for tensors, and the programs behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.program.program import PAGE, Placement, Segment, encode_all

if TYPE_CHECKING:
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
        self._constants: list[tuple[int, NDArray[np.uint8]]] = []
        self.tensors: dict[str, Placement] = {}

    def constant(self, data: NDArray[np.uint8]) -> int:
        """Address of a copy of ``data``."""
        address = self._room(data.size)
        self._constants.append((address, data))
        return address

    def tensor(self, name: str, shape: tuple[int, int, int]) -> int:
        """Address of a tensor, the same whenever it is asked for."""
        if name not in self.tensors:
            size = shape[0] * shape[1] * shape[2]
            self.tensors[name] = Placement(self._room(size), shape)
        return self.tensors[name].address

    def finish(self, programs: list[list[Instruction]]) -> tuple[NDArray[np.uint8], int, list[Segment]]:
        """The image, the bytes of it that are the window, and the programs at their addresses behind it."""
        window = -(-max(self._size, 1) // PAGE) * PAGE
        words = [encode_all(program) for program in programs]
        segments = []
        address = window
        for program, code in zip(programs, words, strict=True):
            segments.append(Segment(tuple(program), address))
            address += -(-code.size // PAGE) * PAGE
        image = np.zeros(address, np.uint8)
        for start, data in self._constants:
            image[start : start + data.size] = data
        for segment, code in zip(segments, words, strict=True):
            image[segment.address : segment.address + code.size] = code
        return image, window, segments

    def _room(self, size: int) -> int:
        address = -(-self._size // self._align) * self._align
        self._size = address + size
        if self._size > _LIMIT:
            raise ModelError(f"the network needs more than {_LIMIT >> 30} GiB of DRAM")
        return address
