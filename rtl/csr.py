"""The control registers, as data: the gateware, the driver and the handbook all read them here.

Every register is 32 bits wide. A quantity of more bits takes two, low word first. Counters and retire cycles are those
of the layer in ``LAYER``, and can be read while the accelerator is not busy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from rtl.counters import COUNTERS
from rtl.isa import Engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtl.config import ArchConfig

__all__ = [
    "ADDRESS_BITS",
    "BUS_TIMEOUT",
    "COUNTER_BASE",
    "MAGIC",
    "REGISTERS",
    "RETIRE_BASE",
    "TIMEOUT_BITS",
    "VERSION",
    "Access",
    "Field",
    "Register",
    "constants",
]

ADDRESS_BITS = 12
"""The registers take 4 KiB of address space."""
MAGIC = int.from_bytes(b"HWSM", "big")
VERSION = 3
"""Of the register map and the instruction set. Raised when an old driver would no longer work."""
TIMEOUT_BITS = 24
"""Width of BUS_TIMEOUT."""
BUS_TIMEOUT = 1 << 20
"""BUS_TIMEOUT after reset: far longer than any memory takes, and a moment to a person."""
RETIRE_BASE = 0x60
COUNTER_BASE = 0x100

Access = Literal["constant", "status", "config", "command", "layer"]
"""How a register behaves.

``constant``: fixed by the configuration. ``status``: changes by itself, written by nobody. ``config``: read and
written; while the accelerator is busy a write is refused. ``command``: a one written does something, reads as zero;
refused while busy. ``layer``: a total of the layer in ``LAYER``; a read is refused while busy.
"""


@dataclass(frozen=True, slots=True)
class Field:
    """Some bits of a register."""

    name: str
    offset: int
    width: int
    meaning: str

    @property
    def mask(self) -> int:
        """Its bits in the word."""
        return ((1 << self.width) - 1) << self.offset


@dataclass(frozen=True, slots=True)
class Register:
    """One 32-bit register. Without fields, the whole word is one number."""

    name: str
    address: int
    access: Access
    meaning: str
    fields: tuple[Field, ...] = field(default=())
    reset: int = 0

    def pack(self, **values: int) -> int:
        """The word with these fields, others zero.

        Raises:
            ValueError: no such field, or a value that does not fit.

        """
        word = 0
        for name, value in values.items():
            part = self._field(name)
            if not 0 <= value < 1 << part.width:
                raise ValueError(f"{self.name}.{name} is {part.width} bits wide; {value} does not fit")
            word |= value << part.offset
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """The fields of ``word``, by name."""
        return {f.name: (word & f.mask) >> f.offset for f in self.fields}

    def _field(self, name: str) -> Field:
        for part in self.fields:
            if part.name == name:
                return part
        raise ValueError(
            f"{self.name} has no field {name!r}; known: {', '.join(f.name for f in self.fields) or 'none'}"
        )


def _pair(name: str, address: int, access: Access, meaning: str) -> tuple[Register, Register]:
    return (
        Register(f"{name}_lo", address, access, f"{meaning} (low 32 bits)"),
        Register(f"{name}_hi", address + 4, access, f"{meaning} (high bits)"),
    )


_CONTROL = (
    Register("id", 0x00, "constant", 'the letters "HWSM", first letter in the highest byte', reset=MAGIC),
    Register("version", 0x04, "constant", "of this register map and of the instruction set", reset=VERSION),
    *_pair("config_hash", 0x08, "constant", "ArchConfig.rtl_hash, the number written in 16 hex digits"),
    Register(
        "control",
        0x10,
        "command",
        "what to do",
        (
            Field("start", 0, 1, "clear counters, tokens and queues, then run the program; also clears done and fault"),
            Field("clear", 1, 1, "clear done and fault, and with them the interrupt"),
        ),
    ),
    Register(
        "status",
        0x14,
        "status",
        "how it is going",
        (
            Field("busy", 0, 1, "running, or finishing open bus transactions after a fault"),
            Field("done", 1, 1, "the program reached END and everything before it has retired"),
            Field("fault", 2, 1, "stopped by a fault; see FAULT"),
        ),
    ),
    Register(
        "fault",
        0x18,
        "status",
        "the first fault since start; zero when there was none",
        (
            Field("code", 0, 4, "rtl.isa.Fault"),
            Field("unit", 4, 4, "who saw it: rtl.isa.Engine, or 4 for dispatch, 5 for fetch, 6 for the run"),
            Field(
                "layer",
                16,
                12,
                "layer of the instruction last issued to that engine, of the one that waits, or of the one refused",
            ),
            Field("layer_known", 28, 1, "there was such an instruction"),
        ),
    ),
    Register(
        "size",
        0x1C,
        "constant",
        "how much can be counted",
        (Field("layers", 0, 16, "layers told apart"), Field("counters", 16, 16, "counters of each")),
    ),
    Register("program", 0x20, "config", "byte address of the first instruction, a multiple of 32"),
    Register("program_length", 0x24, "config", "instructions"),
    Register(
        "window_base",
        0x28,
        "config",
        "byte address of the DRAM window, a multiple of 4096; instructions address DRAM from here",
    ),
    Register("window_bytes", 0x2C, "config", "bytes of the DRAM window; an access beyond it is a fault"),
    *_pair("cycles", 0x30, "status", "cycles from start to done, both included; reading the low word holds the high"),
    Register("layer", 0x38, "config", "layer whose totals are read", (Field("layer", 0, 12, "0 .. layers - 1"),)),
    Register("cycle_limit", 0x3C, "config", "most cycles of a run; one that takes more is a fault; 0 for no limit"),
    Register(
        "bus_timeout",
        0x40,
        "config",
        "how long a bus may owe an answer",
        (Field("cycles", 0, TIMEOUT_BITS, "cycles without a handshake on the port that waits; 0 for any number"),),
        reset=BUS_TIMEOUT,
    ),
)

_RETIRES = tuple(
    word
    for engine in Engine
    for word in _pair(
        f"last_retire_{engine.name.lower()}",
        RETIRE_BASE + 8 * engine,
        "layer",
        f"cycle in which the {engine.name.lower()} engine retired its last instruction of the layer; 0 for none",
    )
)

_COUNTS = tuple(
    word
    for index, counter in enumerate(COUNTERS)
    for word in _pair(counter.name, COUNTER_BASE + 8 * index, "layer", counter.meaning)
)

REGISTERS: Mapping[str, Register] = MappingProxyType({r.name: r for r in (*_CONTROL, *_RETIRES, *_COUNTS)})
"""All of them by name, in order of address. Any other address answers with an error."""


def constants(config: ArchConfig) -> dict[str, int]:
    """What the registers of access ``constant`` read as in the hardware that ``config`` describes."""
    number = int(config.rtl_hash, 16)
    size = REGISTERS["size"].pack(layers=config.control.max_layers, counters=len(COUNTERS))
    words = {"config_hash_lo": number & 0xFFFF_FFFF, "config_hash_hi": number >> 32, "size": size}
    fixed = (r for r in REGISTERS.values() if r.access == "constant")
    return {r.name: words.get(r.name, r.reset) for r in fixed}
