"""Scratchpads: byte-addressed memories that read and write any contiguous vector in a cycle.

A scratchpad of n banks keeps byte ``a`` in bank ``a mod n``, so that any n bytes in a row lie in n different banks,
whatever their alignment. One writer, any number of readers: a second read port is a second copy of the bank in
hardware that has no such port.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from rtl.cell import Cell
from rtl.isa import Space
from rtl.isa_layout import ADDRESS_BITS
from rtl.vectors import rotate_left, rotate_right

__all__ = ["READ_LATENCY", "Bank", "Scratchpad", "spad_write_port", "write_port"]

READ_LATENCY = 2
"""Cycles from an address to its data: one for the memory, one for the register behind the rotation."""


def write_port(banks: int) -> wiring.Signature:
    """``count`` bytes of ``data`` go to byte ``address`` and the ones behind it, at the end of the cycle."""
    return wiring.Signature(
        {"en": Out(1), "address": Out(ADDRESS_BITS), "count": Out(range(banks + 1)), "data": Out(8 * banks)}
    )


def spad_write_port(banks: int) -> wiring.Signature:
    """``count`` bytes of ``data`` go to byte ``address`` and the ones behind it of scratchpad ``space``."""
    return wiring.Signature(
        {
            "en": Out(1),
            "space": Out(Space),
            "address": Out(ADDRESS_BITS),
            "count": Out(range(banks + 1)),
            "data": Out(8 * banks),
        }
    )


class Bank(Cell):
    """One byte-wide bank: a write port, and ``reads`` read ports with one cycle of latency.

    A byte that is being written is read as it was.
    """

    def __init__(self, *, depth: int, reads: int) -> None:
        self.depth = depth
        self.reads = reads
        address = ceil_log2(depth)
        ports = {"w_en": In(1), "w_addr": In(address), "w_data": In(8)}
        for k in range(reads):
            ports |= {f"r{k}_en": In(1), f"r{k}_addr": In(address), f"r{k}_data": Out(8)}
        super().__init__(key=(depth, reads), signature=ports)

    def body(self) -> Module:
        m = Module()
        m.submodules.memory = mem = memory.Memory(shape=8, depth=self.depth, init=[])
        write = mem.write_port()
        m.d.comb += [write.en.eq(self.w_en), write.addr.eq(self.w_addr), write.data.eq(self.w_data)]
        for k in range(self.reads):
            read = mem.read_port()
            m.d.comb += [
                read.en.eq(getattr(self, f"r{k}_en")),
                read.addr.eq(getattr(self, f"r{k}_addr")),
                getattr(self, f"r{k}_data").eq(read.data),
            ]
        return m


class Scratchpad(wiring.Component):
    """``kib`` KiB in ``banks`` byte-wide banks.

    Parameters
    ----------
    reads : int
        Ports that read ``banks`` contiguous bytes; the data follow :data:`READ_LATENCY` cycles later.
    gather : bool
        Add a port that addresses every bank on its own, for the array; its data follow one cycle later, not rotated.

    Ports
    -----
    write : In(write_port)
        Written bytes can be read from the next cycle on. Addresses wrap: whoever drives the port checks them.
    read0, read1, … : {"en", "address", "data"}
        Lane 0 of ``data`` is the byte at ``address``.
    gather : {"en", "words": banks * word bits, "data": banks * 8}

    """

    def __init__(self, *, banks: int, kib: int, reads: int, gather: bool = False) -> None:
        self.banks = banks
        self.depth = kib * 1024 // banks
        self.reads = reads
        self.has_gather = gather
        self.word_bits = ceil_log2(self.depth)
        ports: dict[str, wiring.Member] = {"write": In(write_port(banks))}
        for k in range(reads):
            ports[f"read{k}"] = In(
                wiring.Signature({"en": Out(1), "address": Out(ADDRESS_BITS), "data": In(8 * banks)})
            )
        if gather:
            ports["gather"] = In(
                wiring.Signature({"en": Out(1), "words": Out(banks * self.word_bits), "data": In(8 * banks)})
            )
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        banks = [Bank(depth=self.depth, reads=self.reads + self.has_gather) for _ in range(self.banks)]
        for j, bank in enumerate(banks):
            m.submodules[f"bank_{j}"] = bank
        self._connect_write(m, banks)
        for k in range(self.reads):
            self._connect_read(m, banks, k)
        if self.has_gather:
            m.d.comb += self.gather.data.eq(Cat(getattr(b, f"r{self.reads}_data") for b in banks))
            for j, bank in enumerate(banks):
                m.d.comb += [
                    getattr(bank, f"r{self.reads}_en").eq(self.gather.en),
                    getattr(bank, f"r{self.reads}_addr").eq(self.gather.words.word_select(j, self.word_bits)),
                ]
        return m

    def _split(self, m: Module, address, name: str) -> tuple[Signal, list]:
        """Rotation of a contiguous access, and the word that each bank sees."""
        lanes = exact_log2(self.banks)
        rotation = Signal(lanes, name=f"{name}_rotation")
        word = Signal(self.word_bits, name=f"{name}_word")
        after = Signal(self.word_bits, name=f"{name}_after")
        m.d.comb += [rotation.eq(address[:lanes]), word.eq(address[lanes:]), after.eq(word + 1)]
        return rotation, [Mux(j < rotation, after, word) for j in range(self.banks)]

    def _connect_write(self, m: Module, banks: list[Bank]) -> None:
        rotation, words = self._split(m, self.write.address, "write")
        mask = Signal(self.banks, name="write_mask")
        m.d.comb += mask.eq(Mux(self.write.en, Cat(j < self.write.count for j in range(self.banks)), 0))
        data = rotate_left(m, self.write.data, 8, rotation, "write_data")
        enable = rotate_left(m, mask, 1, rotation, "write_enable")
        for j, bank in enumerate(banks):
            m.d.comb += [
                bank.w_en.eq(enable[j]),
                bank.w_addr.eq(words[j]),
                bank.w_data.eq(data.word_select(j, 8)),
            ]

    def _connect_read(self, m: Module, banks: list[Bank], k: int) -> None:
        port = getattr(self, f"read{k}")
        rotation, words = self._split(m, port.address, f"read{k}")
        rotated_by = Signal.like(rotation, name=f"read{k}_rotated_by")
        valid = Signal(name=f"read{k}_valid")
        m.d.sync += valid.eq(port.en)
        with m.If(port.en):
            m.d.sync += rotated_by.eq(rotation)
        for j, bank in enumerate(banks):
            m.d.comb += [getattr(bank, f"r{k}_en").eq(port.en), getattr(bank, f"r{k}_addr").eq(words[j])]
        raw = Cat(getattr(bank, f"r{k}_data") for bank in banks)
        with m.If(valid):
            m.d.sync += port.data.eq(rotate_right(m, raw, 8, rotated_by, f"read{k}_data"))
