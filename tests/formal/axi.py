"""What AXI asks of a master, and what the master may ask of the other side (AMBA AXI4, A3.2 and A3.4.1)."""

from amaranth import Cat, Module, Signal, Value
from amaranth.utils import exact_log2

from rtl.config import AXI_BOUNDARY_BYTES, BusConfig
from tests.formal.spec import Spec, past

__all__ = ["Addresses", "Window", "stable"]


def stable(spec: Spec, m: Module, channel: str, valid: Value, ready: Value, *payload: Value) -> None:
    """What is offered stays offered, and stays the same, until it is taken."""
    word = Signal(sum(len(part) for part in payload), name=f"{channel}_payload")
    m.d.comb += word.eq(Cat(*payload))
    waits = past(m, valid & ~ready, f"{channel}_waits")
    before = past(m, word, f"{channel}_payload")
    spec.check(m, f"{channel}.stays_valid", ~waits | valid)
    spec.check(m, f"{channel}.keeps_payload", ~waits | (word == before))


class Window:
    """The window of DRAM that a DMA engine sees: any, but the same all the time."""

    def __init__(self, spec: Spec, m: Module, dma) -> None:
        self.base, self.size = dma.dram_base, dma.dram_bytes
        for value, name in ((self.base, "window_base"), (self.size, "window_bytes")):
            before = past(m, value, name)
            running = past(m, 1, f"{name}_known")
            spec.assume(m, ~running | (value == before))

    def holds(self, m: Module, address: Value, beats: Value, data_bytes: int) -> Value:
        """The first byte of the last beat, and so each beat, lies in it."""
        last = Signal(34, name="last_beat")
        begin = Signal(33, name="window_begin")
        m.d.comb += [
            begin.eq(self.base & ~(AXI_BOUNDARY_BYTES - 1)),
            last.eq(address + (beats << exact_log2(data_bytes))),
        ]
        return (address >= begin) & (last < begin + self.size) & (last < 1 << 32)


class Addresses:
    """The AR or AW channel of a master: its properties, and the bursts that are open.

    Attributes
    ----------
    taken : a burst's address is taken in this cycle
    open : bursts whose addresses were taken, and that are not closed
    beats : beats of the burst on offer, less one
    """

    def __init__(self, spec: Spec, m: Module, axi, prefix: str, bus: BusConfig, *, closed: Value) -> None:
        self.address, self.beats, self.valid = (getattr(axi, prefix + name) for name in ("addr", "len", "valid"))
        ready = getattr(axi, prefix + "ready")
        channel = prefix.upper()
        self.taken = Signal(name=f"{prefix}_taken")
        self.open = Signal(range(bus.outstanding + 2), name=f"{prefix}_open")
        end = Signal(14, name=f"{prefix}_end")
        m.d.comb += [
            self.taken.eq(self.valid & ready),
            end.eq(self.address[: exact_log2(AXI_BOUNDARY_BYTES)] + ((self.beats + 1) << exact_log2(bus.data_bytes))),
        ]
        m.d.sync += self.open.eq(self.open + self.taken - closed)
        # No response before its burst: the other side keeps to the standard.
        spec.assume(m, ~closed | (self.open != 0))
        stable(spec, m, channel, self.valid, ready, self.address, self.beats)
        spec.check(m, f"{channel}.within_4_kib", ~self.valid | (end <= AXI_BOUNDARY_BYTES))
        spec.check(m, f"{channel}.length", ~self.valid | (self.beats < bus.burst_beats))
        spec.check(m, f"{channel}.outstanding", self.open + self.valid <= bus.outstanding)
        spec.reach(m, f"{channel}.all_open", self.open == bus.outstanding)
