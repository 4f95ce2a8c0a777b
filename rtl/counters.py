"""The hardware events: the RTL counts them, the cycle model predicts them, the energy model prices them.

Every event is counted per layer: an instruction adds what it did to the layer in its ``layer`` field. Events are
committed when the instruction has done its work; stalls when it is issued.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from rtl.isa import Engine

__all__ = ["COUNTERS", "COUNTER_BITS", "Counter", "event_names", "stall_causes", "stall_name"]

COUNTER_BITS = 48
"""Width of a counter in hardware: enough for 2^48 events of one layer."""


@dataclass(frozen=True, slots=True)
class Counter:
    """One event: its name, the engine that counts it, and what one count means."""

    name: str
    engine: Engine
    meaning: str


_EVENTS = (
    Counter("dram_read_bytes", Engine.LOAD, "bytes that LOAD asked of DRAM"),
    Counter("dram_read_beats", Engine.LOAD, "data beats that carried them"),
    Counter("dram_read_bursts", Engine.LOAD, "read bursts"),
    Counter("ifm_write_bytes", Engine.LOAD, "bytes written to the IFM scratchpad, padding included"),
    Counter("weight_write_bytes", Engine.LOAD, "bytes written to the weight scratchpad"),
    Counter("param_write_bytes", Engine.LOAD, "bytes written to the parameter scratchpad"),
    Counter("spmat_write_bytes", Engine.LOAD, "bytes written to the sparse-matrix memories"),
    Counter("pointer_write_bytes", Engine.LOAD, "bytes written to the pointer memories"),
    Counter("codebook_write_bytes", Engine.LOAD, "bytes written to the codebooks"),
    Counter("macs", Engine.COMPUTE, "multiply-accumulates on valid rows, columns and pixels"),
    Counter("stream_cycles", Engine.COMPUTE, "cycles in which a vector entered the array"),
    Counter("weight_tiles", Engine.COMPUTE, "weight tiles loaded into the array"),
    Counter("ifm_read_bytes", Engine.COMPUTE, "activation bytes read from IFM into the array, or to be scanned"),
    Counter("ofm_read_bytes", Engine.COMPUTE, "activation bytes read from OFM into the array, or to be scanned"),
    Counter("weight_read_bytes", Engine.COMPUTE, "weight bytes read into the array"),
    Counter("acc_reads", Engine.COMPUTE, "32-bit accumulator reads by the array (none for SET)"),
    Counter("acc_writes", Engine.COMPUTE, "32-bit accumulator writes by the array"),
    Counter("sparse_cycles", Engine.COMPUTE, "cycles with a SPARSE issued and not retired"),
    Counter("sparse_macs", Engine.COMPUTE, "entries of the sparse matrix that were multiplied, padding left out"),
    Counter("sparse_padding", Engine.COMPUTE, "padding entries that were read: those of code 0"),
    Counter("sparse_broadcasts", Engine.COMPUTE, "activations other than zero, sent to all PEs"),
    Counter("sparse_pushes", Engine.COMPUTE, "columns queued in a PE: those that have an entry there"),
    Counter("sparse_rows", Engine.COMPUTE, "rows read from the sparse-matrix memories"),
    Counter("sparse_stalls", Engine.COMPUTE, "cycles in which an activation waited for a PE to have room"),
    Counter("requantized", Engine.POST, "values requantised; each is one accumulator read"),
    Counter("param_read_bytes", Engine.POST, "parameter bytes read"),
    Counter("skip_ifm_bytes", Engine.POST, "residual bytes read from IFM"),
    Counter("skip_ofm_bytes", Engine.POST, "residual bytes read from OFM"),
    Counter("ofm_write_bytes", Engine.POST, "bytes written to the OFM scratchpad, padding included"),
    Counter("store_ofm_bytes", Engine.STORE, "bytes read from OFM to be stored"),
    Counter("dram_write_bytes", Engine.STORE, "bytes written to DRAM"),
    Counter("dram_write_beats", Engine.STORE, "data beats that carried them"),
    Counter("dram_write_bursts", Engine.STORE, "write bursts"),
)


def stall_causes(engine: Engine) -> tuple[Engine, ...]:
    """Whom ``engine`` can wait for. In a cycle with several tokens missing the first one here is the cause."""
    return tuple(other for other in Engine if other != engine)


def stall_name(engine: Engine, cause: Engine) -> str:
    """Counter of the cycles in which ``engine`` could have started, but for a token from ``cause``."""
    return f"{engine.name.lower()}_waits_for_{cause.name.lower()}"


_STALLS = tuple(
    Counter(
        stall_name(engine, cause), engine, f"cycles the {engine.name.lower()} engine waited for {cause.name.lower()}"
    )
    for engine in Engine
    for cause in stall_causes(engine)
)

COUNTERS: tuple[Counter, ...] = _EVENTS + _STALLS
"""All of them, in the order in which the registers list them."""


@functools.cache
def event_names(engine: Engine) -> tuple[str, ...]:
    """The events that ``engine`` itself counts, in order; stalls are counted where it is issued to."""
    return tuple(c.name for c in _EVENTS if c.engine == engine)
