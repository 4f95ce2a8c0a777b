r"""Event counts of one COMPUTE, committed when its last vector has entered the mesh.

A short instruction right behind a long one is done soon after it, and the counters take a commit every
:data:`~rtl.engine.COMMIT_SPACING` cycles only: such a commit waits. ::

    cycle      t     t+1   t+2   t+3   t+4   t+5
    done     _/‾‾‾‾‾‾‾‾‾‾‾\_____________________      a long instruction in t, a short one in t+1
    commit   _______/‾‾‾‾‾\_________________/‾‾‾‾‾\_   of the short one no later than in done + 4

One place to wait is enough. The first vector of an instruction comes at least four cycles after the first one of the
last tile of the instruction before, so of two commits that follow one another within four cycles the second one is
followed by none for as long; and no commit is later than the retirement.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.engine import COMMIT_SPACING, EVENT_BITS, commit_layout
from rtl.isa import Engine

__all__ = ["EventCounts"]


class EventCounts(wiring.Component):
    """Adds up what every vector does.

    Ports
    -----
    en, fresh, done : In(1)
        A vector streams; it is the instruction's first; its last.
    macs, acts, acc_reads, acc_writes : In
        What the vector does; ``acts`` are bytes read from IFM, or with ``from_ofm`` from OFM.
    tiles_valid, weight_tiles, weight_bytes : In
        The loader's totals, kept while ``tiles_valid``; those of the last tile count.
    commit : Out(commit_layout)
        A cycle after ``done``, or up to three later.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "en": In(1),
                "fresh": In(1),
                "done": In(1),
                "layer": In(12),
                "from_ofm": In(1),
                "macs": In(16),
                "acts": In(8),
                "acc_reads": In(16),
                "acc_writes": In(16),
                "tiles_valid": In(1),
                "weight_tiles": In(EVENT_BITS),
                "weight_bytes": In(EVENT_BITS),
                "commit": Out(commit_layout(Engine.COMPUTE)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        counts = {}
        for name, amount in (
            ("stream_cycles", 1),
            ("macs", self.macs),
            ("acts", self.acts),
            ("acc_reads", self.acc_reads),
            ("acc_writes", self.acc_writes),
        ):
            counts[name] = count = Signal(EVENT_BITS, name=name)
            with m.If(self.en):
                m.d.sync += count.eq(Mux(self.fresh, 0, count) + amount)
        tiles, weight_bytes = Signal(EVENT_BITS), Signal(EVENT_BITS)
        with m.If(self.tiles_valid):
            m.d.sync += [tiles.eq(self.weight_tiles), weight_bytes.eq(self.weight_bytes)]

        valid, from_ofm, layer = Signal(), Signal(), Signal(12)
        tiles_then, bytes_then = Signal(EVENT_BITS), Signal(EVENT_BITS)
        m.d.sync += [
            valid.eq(self.done),
            from_ofm.eq(self.from_ofm),
            layer.eq(self.layer),
            tiles_then.eq(tiles),
            bytes_then.eq(weight_bytes),
        ]
        counted = Signal.like(self.commit)
        events = counted.events
        m.d.comb += [
            counted.valid.eq(valid),
            counted.layer.eq(layer),
            events.macs.eq(counts["macs"]),
            events.stream_cycles.eq(counts["stream_cycles"]),
            events.weight_tiles.eq(tiles_then),
            events.weight_read_bytes.eq(bytes_then),
            events.ifm_read_bytes.eq(Mux(from_ofm, 0, counts["acts"])),
            events.ofm_read_bytes.eq(Mux(from_ofm, counts["acts"], 0)),
            events.acc_reads.eq(counts["acc_reads"]),
            events.acc_writes.eq(counts["acc_writes"]),
        ]
        self._space(m, counted)
        return m

    def _space(self, m: Module, counted: Signal) -> None:
        """Pass commits on, each as soon as the one before is long enough ago."""
        waiting = Signal.like(self.commit)
        rest = Signal(range(COMMIT_SPACING))
        with m.If(rest != 0):
            m.d.sync += rest.eq(rest - 1)
            with m.If(counted.valid):
                m.d.sync += waiting.eq(counted)
        with m.Elif(waiting.valid):
            m.d.comb += self.commit.eq(waiting)
            m.d.sync += waiting.eq(counted)
        with m.Else():
            m.d.comb += self.commit.eq(counted)
        with m.If(self.commit.valid):
            m.d.sync += rest.eq(COMMIT_SPACING - 1)
