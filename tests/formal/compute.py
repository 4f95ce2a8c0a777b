"""What the proofs of both dataflows have in common: how a compute engine is stopped, and what its word names."""

from amaranth import Module, Signal, Value
from amaranth.lib.wiring import PureInterface
from amaranth.utils import exact_log2

from rtl.config import ArchConfig, BusConfig, DenseConfig, MemoryConfig
from rtl.dense.lane import accumulate_layout
from rtl.dense.loader import Loader
from tests.formal.spec import Inside, Spec, past

__all__ = ["ACC", "ENTRIES", "LOW", "ROWS", "WIDE", "ComputeSpec", "config"]

ENTRIES, ROWS = 16, 2
LOW = exact_log2(ENTRIES)
WIDE = 26
"""More pixels than any word has, counted from any place."""
ACC = accumulate_layout(ENTRIES)


def config(dataflow: str, taps: int) -> ArchConfig:
    return ArchConfig(
        dense=DenseConfig(rows=ROWS, cols=2, depthwise_taps=taps, dataflow=dataflow),
        memory=MemoryConfig(ifm_kib=1, ofm_kib=1, weight_kib=1, param_kib=1, accumulators=ENTRIES),
        bus=BusConfig(data_bytes=4),
    )


class ComputeSpec(Spec):
    """A compute engine between any instructions, any weights and any activations, until it faults or is halted."""

    def stops(self, m: Module, port: PureInterface) -> None:
        self.assume(
            m,
            # A fault halts, and a halt lasts until the reset that begins the next run.
            ~past(m, port.halt | (port.fault != 0), "stopped") | port.halt,
        )
        self.told, self.ends = Signal(name="told"), Signal(name="ends")
        m.d.comb += self.ends.eq(self.told | port.halt | (port.fault != 0))
        m.d.sync += self.told.eq(self.ends)
        self.lemma(m, "told", ~self.told | port.halt)

    def loads(self, m: Module, loader: Loader, inside: Inside) -> tuple[Value, Value]:
        """The first accumulator of the loader's word, counted from that of its half; the half."""
        acc = loader.word.acc
        phases = [loader._free, loader.decoding, loader._setup, inside["loader.full"], loader._loading]
        self.lemma(m, "word.in_one_phase", sum(phases) <= 1)
        decoded = ~loader._free & ~loader.decoding
        self.lemma(m, "word.in_a_half", ~decoded | self.told | (acc >> LOW + 1 == 0))
        return acc & ~(1 << LOW), acc[LOW]
