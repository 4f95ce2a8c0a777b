r"""Instruction fetch: streams a program out of DRAM, ahead of its execution.

::

    cycle        t     t+1    t+2   ...   c     c+1
    start        ‾‾‾‾‾\____________________________
    arvalid      _____________/‾‾‾‾‾ ...                  the first burst's address
    rvalid       _______________________/‾‾‾‾‾\_____     the last beat of an instruction is taken in c
    instr.valid  _____________________________/‾‾‾‾‾‾     if it is its turn

:class:`rtl.dma.timing_fetch.FetchTiming` has the cycles.
"""

from amaranth import Cat, Const, Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.config import ArchConfig
from rtl.dma.axi import ADDRESS_BITS, OKAY, AxiRead, tie_read
from rtl.dma.timing_fetch import fetch_block_bytes
from rtl.engine import FAULT_BITS
from rtl.isa import INSTRUCTION_BITS, INSTRUCTION_BYTES, Fault
from rtl.isa_layout import WORD

__all__ = ["FetchEngine"]


class FetchEngine(wiring.Component):
    """Reads ``length`` instructions from byte ``program`` of DRAM on into a queue of ``control.fetch_depth``.

    A burst ends before the next multiple of :func:`~rtl.dma.timing_fetch.fetch_block_bytes`, a quarter of the queue at
    most, and is asked for once the queue has room for it, at most ``bus.outstanding`` at a time.

    Ports
    -----
    start : In(1)
        For one cycle, while ``idle`` and not ``halt``: forget what is queued and fetch this program.
    program, length : In(32)
        Sampled with ``start``. ``program`` is absolute, and a multiple of 32, else the fault is DRAM, as it is where
        the program runs past the end of the address space.
    halt : In(1)
        Offer nothing, ask for nothing, finish what is open.
    instr : Out(stream of 256-bit words)
    done : Out(1)
        Since the last ``start`` every instruction has been taken. Low until the first ``start``.
    idle : Out(1)
        No burst is open.
    fault : Out(4)
        DRAM, or BUS: a response other than OKAY. For one cycle; nothing more is fetched or offered until ``start``.
    axi : Out(AxiRead)
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "program": In(ADDRESS_BITS),
                "length": In(32),
                "halt": In(1),
                "instr": Out(stream.Signature(WORD)),
                "done": Out(1),
                "idle": Out(1),
                "fault": Out(FAULT_BITS),
                "axi": Out(AxiRead(config.bus.data_bytes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus = self.config.bus
        beat = exact_log2(bus.data_bytes)
        per_word = INSTRUCTION_BYTES // bus.data_bytes
        capacity = self.config.control.fetch_depth * per_word
        block = fetch_block_bytes(self.config) // bus.data_bytes

        active = Signal()
        dead = Signal()
        stopped = Signal()
        m.d.comb += stopped.eq(self.halt | dead)

        # Addresses, lengths and space are counted in beats.
        address = Signal(ADDRESS_BITS - beat + 1)
        left = Signal(32 + exact_log2(per_word))
        promised = Signal(range(capacity + 1))
        open_bursts = Signal(range(bus.outstanding + 1))
        room = Signal(range(block + 1))
        count = Signal(range(block + 1))
        fits = Signal()
        choose = Signal()
        ask = Signal()
        beyond = Signal()
        m.d.comb += [
            room.eq(block - address[: exact_log2(block)]),
            count.eq(room),
            fits.eq((promised + count <= capacity) & (open_bursts != bus.outstanding)),
            choose.eq(active & ~stopped & ~self.start & fits & (~self.axi.arvalid | self.axi.arready)),
            # A program that faults so late has filled all of DRAM.
            beyond.eq(address[-1]),
            ask.eq(choose & ~beyond),
        ]
        with m.If(left < room):
            m.d.comb += count.eq(left)

        taken = Signal()
        closed = Signal()
        m.d.comb += [
            taken.eq(self.instr.valid & self.instr.ready),
            closed.eq(self.axi.rvalid & self.axi.rready & self.axi.rlast),
            self.idle.eq(open_bursts == 0),
        ]
        m.d.comb += tie_read(self.axi)
        with m.If(self.axi.arready):
            m.d.sync += self.axi.arvalid.eq(0)
        with m.If(ask):
            m.d.sync += [
                self.axi.arvalid.eq(1),
                self.axi.araddr.eq(Cat(Const(0, beat), address[:-1])),
                self.axi.arlen.eq(count - 1),
                address.eq(address + count),
                left.eq(left - count),
                active.eq(left != count),
            ]
        reserve = Signal.like(count)
        release = Signal(range(per_word + 1))
        with m.If(ask):
            m.d.comb += reserve.eq(count)
        with m.If(taken):
            m.d.comb += release.eq(per_word)
        m.d.sync += [
            promised.eq(promised + reserve - release),
            open_bursts.eq(open_bursts + ask - closed),
        ]

        self._assemble(m, stopped, per_word)

        to_take = Signal(32)
        started = Signal()
        misplaced = Signal()
        m.d.comb += [
            misplaced.eq(self.program[: exact_log2(INSTRUCTION_BYTES)] != 0),
            self.done.eq(started & (to_take == 0)),
        ]
        with m.If(taken):
            m.d.sync += to_take.eq(to_take - 1)

        with m.If(self.start & misplaced):
            m.d.comb += self.fault.eq(Fault.DRAM)
        with m.Elif(choose & beyond):
            m.d.comb += self.fault.eq(Fault.DRAM)
        with m.Elif(self.axi.rvalid & (self.axi.rresp != OKAY) & ~stopped):
            m.d.comb += self.fault.eq(Fault.BUS)

        with m.If(self.start):
            m.d.sync += [
                active.eq(self.length != 0),
                dead.eq(0),
                address.eq(self.program[beat:]),
                left.eq(Cat(Const(0, exact_log2(per_word)), self.length)),
                promised.eq(0),
                to_take.eq(self.length),
                started.eq(1),
            ]
        with m.Elif(self.halt):
            m.d.sync += active.eq(0)
        with m.If(self.fault != Fault.NONE):
            m.d.sync += [dead.eq(1), active.eq(0)]
        return m

    def _assemble(self, m: Module, stopped: Signal, per_word: int) -> None:
        """Gather the beats of a word; the last one goes straight into the queue with the others."""
        queue = SyncFIFO(width=INSTRUCTION_BITS, depth=self.config.control.fetch_depth)
        m.submodules.queue = ResetInserter(self.start)(queue)
        width = 8 * self.config.bus.data_bytes
        word = self.axi.rdata
        complete = Const(1)
        if per_word > 1:
            earlier = Signal(INSTRUCTION_BITS - width)
            number = Signal(range(per_word))
            word = Cat(earlier, self.axi.rdata)
            complete = Signal(name="complete")
            m.d.comb += complete.eq(number == per_word - 1)
            with m.If(self.axi.rvalid):
                m.d.sync += [earlier.eq(word[width:]), number.eq(number + 1)]
            with m.If(self.start):
                m.d.sync += number.eq(0)
        m.d.comb += [
            self.axi.rready.eq(1),
            queue.w_data.eq(word),
            queue.w_en.eq(self.axi.rvalid & complete & ~stopped),
            self.instr.payload.eq(queue.r_data),
            self.instr.valid.eq(queue.r_rdy & ~stopped),
            queue.r_en.eq(self.instr.ready & ~stopped),
        ]
