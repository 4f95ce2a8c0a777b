"""The files through which the DRAM in the harness is loaded and read back: Verilog's ``$readmemh`` format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from hwsim.errors import SimulationError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DUMP_FILE", "IMAGE_FILE", "RAW_IMAGE_FILE", "read_words", "write_words"]

IMAGE_FILE = "memory.hex"
RAW_IMAGE_FILE = "memory.bin"
"""The same bytes, for a memory that is not Verilog."""
DUMP_FILE = "dump.hex"

_NOT_WORDS = re.compile(r"^(?:@([0-9a-fA-F]+)|//.*)\s*$", re.MULTILINE)


def write_words(path: Path, image: bytes, word_bytes: int) -> int:
    """Write ``image`` as words of ``word_bytes``, first byte lowest; return their number."""
    padded = image + bytes(-len(image) % word_bytes)
    # Words are written highest byte first: reverse all bytes, then take the words from the back.
    text = padded[::-1].hex()
    digits = 2 * word_bytes
    path.write_text("\n".join(text[i : i + digits] for i in range(len(text) - digits, -1, -digits)) + "\n")
    return len(padded) // word_bytes


def read_words(path: Path, word_bytes: int, first: int) -> bytes:
    """The bytes in a dump, whose first word is number ``first`` of the memory.

    Raises:
        SimulationError: it holds something else than words in order.

    """
    # Icarus writes addresses as comments, Verilator as directives. All else is hexadecimal, which Python reads in bulk.
    data = bytearray()
    start, *rest = _NOT_WORDS.split(path.read_text())
    for address, words in [(None, start), *zip(rest[::2], rest[1::2], strict=True)]:
        if address is not None and int(address, 16) * word_bytes != first * word_bytes + len(data):
            raise SimulationError(f"{path}: words out of order at @{address}")
        try:
            data += bytes.fromhex(words)
        except ValueError as error:
            raise SimulationError(f"{path}: undefined bits in the memory ({error})") from error
    # A word is written highest byte first.
    table = np.frombuffer(data, np.uint8).reshape(-1, word_bytes)
    return table[:, ::-1].tobytes()
