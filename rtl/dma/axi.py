"""AXI4 ports, as the DMA uses them: 32-bit addresses, full-width INCR bursts, one ID.

Signal names are the standard's, so a member ``m_axi_data`` of :class:`AxiRead` becomes ports that AXI tools find by
their prefix (``m_axi_data__araddr`` in Amaranth, ``m_axi_data_araddr`` at the top).
"""

from amaranth import Module, Signal, Value
from amaranth.lib.wiring import In, Out, Signature
from amaranth.utils import exact_log2

__all__ = ["ADDRESS_BITS", "OKAY", "AxiRead", "AxiWrite", "next_burst", "tie_read", "tie_write"]

ADDRESS_BITS = 32
OKAY = 0
"""``rresp`` or ``bresp`` of a transfer that went well."""

_INCR = 1
_NORMAL_NON_CACHEABLE = 0b0011


class AxiRead(Signature):
    """AR and R channels, seen from the master."""

    def __init__(self, data_bytes: int) -> None:
        super().__init__(
            {
                **_address_channel("ar"),
                "rid": In(1),
                "rdata": In(8 * data_bytes),
                "rresp": In(2),
                "rlast": In(1),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )


class AxiWrite(Signature):
    """AW, W and B channels, seen from the master."""

    def __init__(self, data_bytes: int) -> None:
        super().__init__(
            {
                **_address_channel("aw"),
                "wdata": Out(8 * data_bytes),
                "wstrb": Out(data_bytes),
                "wlast": Out(1),
                "wvalid": Out(1),
                "wready": In(1),
                "bid": In(1),
                "bresp": In(2),
                "bvalid": In(1),
                "bready": Out(1),
            }
        )


def _address_channel(prefix: str) -> dict:
    widths = {"id": 1, "addr": ADDRESS_BITS, "len": 8, "size": 3, "burst": 2}
    widths |= {"lock": 1, "cache": 4, "prot": 3, "qos": 4}
    return {
        **{prefix + name: Out(width) for name, width in widths.items()},
        prefix + "valid": Out(1),
        prefix + "ready": In(1),
    }


def tie_read(axi) -> list:
    """Drivers of the AR signals that never change: ID 0, full width, INCR, normal memory."""
    return _tie(axi, "ar", len(axi.rdata) // 8)


def tie_write(axi) -> list:
    """Drivers of the AW signals that never change."""
    return _tie(axi, "aw", len(axi.wstrb))


def _tie(axi, prefix: str, data_bytes: int) -> list:
    values = {"id": 0, "size": exact_log2(data_bytes), "burst": _INCR, "lock": 0}
    values |= {"cache": _NORMAL_NON_CACHEABLE, "prot": 0, "qos": 0}
    return [getattr(axi, prefix + name).eq(value) for name, value in values.items()]


def next_burst(m: Module, address: Value, left: Value, *, data_bytes: int, burst_beats: int) -> tuple[Signal, Signal]:
    """The burst that begins at byte ``address`` with ``left`` contiguous bytes still to move. Combinational.

    It ends with the last byte, or before the next multiple of ``data_bytes * burst_beats``, whichever comes first.
    That block divides 4096, so no burst crosses a 4 KiB boundary, nor is any longer than ``burst_beats``.

    The first and last beats may be partial. Returns the number of its bytes, and ``axlen``: its beats less one.
    """
    block = data_bytes * burst_beats
    within = address[: exact_log2(block)]
    room = Signal(range(block + 1), name="burst_room")
    count = Signal(range(block + 1), name="burst_bytes")
    last = Signal(range(block), name="burst_last_byte")
    beats = Signal(8, name="burst_axlen")
    m.d.comb += [
        room.eq(block - within),
        count.eq(room),
        last.eq(within + count - 1),
        beats.eq((last >> exact_log2(data_bytes)) - (within >> exact_log2(data_bytes))),
    ]
    with m.If(left < room):
        m.d.comb += count.eq(left)
    return count, beats
