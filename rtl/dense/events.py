"""Event counts of one COMPUTE, committed when its last vector has entered the mesh."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.engine import EVENT_BITS, commit_layout
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
        A cycle after ``done``.
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
        events = self.commit.events
        m.d.comb += [
            self.commit.valid.eq(valid),
            self.commit.layer.eq(layer),
            events.macs.eq(counts["macs"]),
            events.stream_cycles.eq(counts["stream_cycles"]),
            events.weight_tiles.eq(tiles_then),
            events.weight_read_bytes.eq(bytes_then),
            events.ifm_read_bytes.eq(Mux(from_ofm, 0, counts["acts"])),
            events.ofm_read_bytes.eq(Mux(from_ofm, counts["acts"], 0)),
            events.acc_reads.eq(counts["acc_reads"]),
            events.acc_writes.eq(counts["acc_writes"]),
        ]
        return m
