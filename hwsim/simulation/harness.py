"""The design that is simulated: an accelerator's Verilog, its memory, and the harness around them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from hwsim.errors import InputError
from hwsim.simulation.build import Design

__all__ = ["MEMORIES", "MIN_MEMORY_BYTES", "MemoryKind", "check_memory", "harness"]

MemoryKind = Literal["dram", "axiram"]
MEMORIES: tuple[MemoryKind, ...] = ("dram", "axiram")

MIN_MEMORY_BYTES = 1 << 24
"""Sizes are powers of two from here on, so that networks share builds."""

_FOLDER = Path(__file__).parent

_REGISTER_PORTS = tuple(
    f"s_axil_{name}"
    for name in (
        *("awaddr", "awprot", "awvalid", "awready", "wdata", "wstrb", "wvalid", "wready"),
        *("bresp", "bvalid", "bready", "araddr", "arprot", "arvalid", "arready", "rdata", "rresp", "rvalid", "rready"),
    )
)
_PORTS = ("clk", "rst", "free_run", "dump", "irq", *_REGISTER_PORTS)


def check_memory(name: str) -> MemoryKind:
    """``name``, if it is a memory.

    Raises:
        InputError: it is not.

    """
    for known in MEMORIES:
        if name == known:
            return known
    raise InputError(f"{name!r} is not a memory; known: {', '.join(MEMORIES)}")


def harness(verilog: str, *, data_bytes: int, memory: MemoryKind, memory_bytes: int) -> Design:
    """The accelerator ``verilog`` with a memory of at least ``memory_bytes``."""
    sources = {"accelerator.v": verilog, "harness.sv": (_FOLDER / "harness.sv").read_text()}
    if memory == "axiram":
        return Design(
            top="harness",
            verilog=sources,
            parameters={"DATA_BYTES": data_bytes},
            defines=("AXIRAM",),
            public=(*_PORTS, *_axi_signals()),
        )
    size = max(MIN_MEMORY_BYTES, 1 << (memory_bytes - 1).bit_length())
    return Design(
        top="harness",
        verilog=sources | {"dram.v": (_FOLDER / "dram.v").read_text()},
        parameters={"DATA_BYTES": data_bytes, "DRAM_WORDS": size // data_bytes},
        public=_PORTS,
    )


def _axi_signals() -> list[str]:
    address = ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "qos", "valid", "ready")
    read = [*(f"ar{name}" for name in address), "rid", "rdata", "rresp", "rlast", "rvalid", "rready"]
    write = [
        *(f"aw{name}" for name in address),
        *("wdata", "wstrb", "wlast", "wvalid", "wready", "bid", "bresp", "bvalid", "bready"),
    ]
    return [*(f"m_axi_fetch_{name}" for name in read), *(f"m_axi_data_{name}" for name in [*read, *write])]
