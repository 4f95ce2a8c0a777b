"""Huffman's code, in canonical form: a table of code lengths is all that a decoder needs.

Huffman, "A Method for the Construction of Minimum-Redundancy Codes", 1952. Codes of one length are consecutive numbers
in the order of their symbols, and shorter codes come first (Schwartz and Kallick, 1964).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Huffman"]


@dataclass(frozen=True, slots=True, eq=False)
class Huffman:
    """``lengths[symbol]`` is the length of a symbol's code in bits; 0 of a symbol that has none."""

    lengths: NDArray[np.int64]

    @classmethod
    def of_counts(cls, counts: NDArray[np.integer]) -> Huffman:
        """The code of least total length for symbols ``0 .. len(counts) - 1`` that occur so often.

        A symbol that is alone takes one bit. Equal counts are merged in the order of symbols: the same counts give the
        same code.
        """
        lengths = np.zeros(len(counts), np.int64)
        present = np.flatnonzero(counts)
        if len(present) == 1:
            lengths[present] = 1
        heap: list[tuple[int, int, list[int]]] = [(int(counts[s]), int(s), [int(s)]) for s in present]
        heapq.heapify(heap)
        while len(heap) > 1:
            first, second = heapq.heappop(heap), heapq.heappop(heap)
            members = first[2] + second[2]
            lengths[members] += 1
            heapq.heappush(heap, (first[0] + second[0], min(first[1], second[1]), members))
        return cls(lengths)

    @property
    def codes(self) -> NDArray[np.int64]:
        """Each symbol's code, as a number of its length's bits, the first bit highest."""
        codes = np.zeros(len(self.lengths), np.int64)
        order = np.lexsort((np.arange(len(self.lengths)), self.lengths))
        code = length = 0
        for symbol in order[self.lengths[order] > 0]:
            code <<= int(self.lengths[symbol]) - length
            length = int(self.lengths[symbol])
            codes[symbol] = code
            code += 1
        return codes

    def bits(self, counts: NDArray[np.integer]) -> int:
        """How long a message is in which the symbols occur so often."""
        return int((counts * self.lengths).sum())

    def encode(self, symbols: NDArray[np.integer]) -> NDArray[np.uint8]:
        """The message as bytes, its first bit the highest of the first byte; the last byte is filled up with zeros.

        Raises:
            ModelError: a symbol has no code.

        """
        lengths = self.lengths[symbols]
        if (lengths == 0).any():
            raise ModelError(f"symbol {symbols[lengths == 0][0]} has no code")
        ends = np.cumsum(lengths)
        stream = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
        codes = self.codes[symbols]
        for back in range(int(lengths.max(initial=0))):
            reaches = lengths > back
            stream[ends[reaches] - 1 - back] = codes[reaches] >> back & 1
        return np.packbits(stream)

    def decode(self, message: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
        """The first ``count`` symbols of a message.

        Raises:
            ModelError: the message is too short, or has bits that are no code.

        """
        book = {(int(n), int(c)): s for s, (n, c) in enumerate(zip(self.lengths, self.codes, strict=True)) if n}
        longest = int(self.lengths.max(initial=0))
        symbols: list[int] = []
        code = length = 0
        stream = iter(np.unpackbits(message).tolist())
        while len(symbols) < count:
            bit = next(stream, None)
            if bit is None or length == longest:
                raise ModelError(f"a Huffman message ends, or is damaged, behind {len(symbols)} of {count} symbols")
            code, length = code << 1 | bit, length + 1
            symbol = book.get((length, code))
            if symbol is not None:
                symbols.append(symbol)
                code = length = 0
        return np.array(symbols, np.int64)
