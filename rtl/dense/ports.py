"""Ports that every dataflow's compute engine has."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from rtl.config import ArchConfig
from rtl.dense.gather import gather_ports
from rtl.dense.lane import accumulate_layout
from rtl.engine import EngineSignature
from rtl.isa import Engine
from rtl.isa_layout import ADDRESS_BITS

__all__ = ["compute_ports", "reader"]


def reader(config: ArchConfig) -> wiring.Signature:
    """A scratchpad read port, seen from whoever reads."""
    return wiring.Signature({"en": Out(1), "address": Out(ADDRESS_BITS), "data": In(8 * config.banks)})


def compute_ports(config: ArchConfig) -> dict[str, Member]:
    """Instructions and scratchpads on one side; partial sums and what to do with them on the other.

    ``acc`` is for column 0 and comes a cycle before its partial sum in ``psum``; column c lags by c cycles.
    """
    return {
        "engine": Out(EngineSignature(Engine.COMPUTE)),
        "weight": Out(reader(config)),
        **gather_ports(config),
        "psum": Out(config.dense.cols * config.psum_bits),
        "acc": Out(accumulate_layout(config.memory.accumulators).size),
    }
