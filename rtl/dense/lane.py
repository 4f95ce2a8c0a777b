"""One column's accumulators and output stage: 32-bit sums in, requantised int8 out."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.cell import Cell
from rtl.config import ArchConfig
from rtl.isa import PARAM_BYTES
from rtl.post.timing import LANE_LATENCY

__all__ = ["Constants", "Lane", "accumulate_layout", "drain_layout"]

_ACC = signed(32)
_FRACTION = 25
"""Fraction bits that decide the rounding: one below the last bit of a float32 in [0.5, 1)."""
_INTEGER = 9
"""Integer bits kept; larger values saturate whatever the zero point."""


class Constants(data.Struct):
    """Of a layer, as in :class:`rtl.isa.PostConfig`. Steady while anything is in the lanes."""

    zero_point: signed(8)
    low: signed(8)
    high: signed(8)
    main: signed(20)
    skip: signed(20)
    offset: signed(32)
    shift: 5
    residual_low: signed(8)
    residual_high: signed(8)


def accumulate_layout(entries: int) -> data.StructLayout:
    """What to do with the partial sum that leaves the column in the next cycle."""
    return data.StructLayout({"valid": 1, "half": 1, "address": exact_log2(entries), "set": 1, "max": 1})


def drain_layout(entries: int) -> data.StructLayout:
    """An accumulator to requantise, or (``param``) a parameter byte on the side bus."""
    return data.StructLayout(
        {"valid": 1, "half": 1, "address": exact_log2(entries), "residual": 1, "param": 1, "index": range(PARAM_BYTES)}
    )


class Lane(Cell):
    """Accumulators of one output channel, in two halves, and the arithmetic behind them.

    The array adds into one half while the other drains; both take one value per cycle. ::

        cycle     accumulate                     drain
        t         control arrives, sum is read   control arrives, sum is read
        t + 1     psum is added and written      bias is added
        t + 2                                    magnitude
        t + 3                                    rounded to 24 significant bits
        t + 4                                    times mantissa
        t + 5                                    shifted
        t + 6                                    rounded
        t + 7                                    zero point, clamp
        t + 8                                    residual: products and offset (side byte arrives)
        t + 9                                    residual: shift, clamp
        t + 10                                   out

    Requantisation equals a float32 multiplication, rounded half to even, of the sum converted to float32: what ONNX
    Runtime computes (see ``docs/numerics.md``). The result of that multiplication has 24 significant bits, so a value
    within half a unit in that last place of a tie *is* a tie; the fraction is compared with that window.

    Ports
    -----
    psum : In(psum_bits)
    acc_i, acc_o : accumulate_layout
        ``acc_o`` is ``acc_i`` a cycle later, for the next lane.
    drain_i, drain_o : drain_layout
    side : In(8)
        Parameter byte in the cycle of ``drain_i.param``; residual byte eight cycles after a ``drain_i.valid``.
    constants : In(Constants)
    out : Out(8)
        Ten cycles after ``drain_i.valid``.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.entries = config.memory.accumulators
        self.psum_bits = config.psum_bits
        acc, drain = accumulate_layout(self.entries), drain_layout(self.entries)
        super().__init__(
            key=(self.entries, self.psum_bits),
            signature={
                "psum": In(signed(self.psum_bits)),
                "acc_i": In(acc.size),
                "acc_o": Out(acc.size),
                "drain_i": In(drain.size),
                "drain_o": Out(drain.size),
                "side": In(8),
                "constants": In(Constants.as_shape().size),
                "out": Out(8),
            },
        )

    def body(self) -> Module:
        m = Module()
        m.d.sync += [self.acc_o.eq(self.acc_i), self.drain_o.eq(self.drain_i)]
        total = self._accumulate(m)
        self._requantise(m, total)
        return m

    def _accumulate(self, m: Module) -> Value:
        """Both halves: read-modify-write by the array, reads by the drain. Returns the sum being drained."""
        acc = data.View(accumulate_layout(self.entries), self.acc_i)
        now = data.View(accumulate_layout(self.entries), self.acc_o)
        drain = data.View(drain_layout(self.entries), self.drain_i)
        draining = data.View(drain_layout(self.entries), self.drain_o)

        old = Signal(_ACC)
        added = Signal(_ACC)
        last = Signal(_ACC)
        again = Signal()
        read: list[Value] = []
        for half in range(2):
            mem = memory.Memory(shape=_ACC, depth=self.entries, init=[])
            m.submodules[f"half_{half}"] = mem
            r, w = mem.read_port(), mem.write_port()
            mine = Signal(name=f"array_reads_{half}")
            m.d.comb += [
                mine.eq(acc.valid & ~acc.set & (acc.half == half)),
                r.addr.eq(Mux(mine, acc.address, drain.address)),
                r.en.eq(mine | (drain.valid & (drain.half == half))),
                w.addr.eq(now.address),
                w.data.eq(added),
                w.en.eq(now.valid & (now.half == half)),
            ]
            read.append(r.data)

        # The sum of the cycle before is still being written when it is read again.
        m.d.sync += again.eq(now.valid & (now.half == acc.half) & (now.address == acc.address))
        stored = Mux(now.half, read[1], read[0])
        m.d.comb += old.eq(Mux(again, last, stored))
        with m.If(now.set):
            m.d.comb += added.eq(self.psum)
        with m.Elif(now.max):
            m.d.comb += added.eq(Mux(self.psum > old, self.psum, old))
        with m.Else():
            m.d.comb += added.eq(old + self.psum)
        with m.If(now.valid):
            m.d.sync += last.eq(added)
        return Mux(draining.half, read[1], read[0])

    def _requantise(self, m: Module, total: Value) -> None:
        drain = data.View(drain_layout(self.entries), self.drain_i)
        draining = data.View(drain_layout(self.entries), self.drain_o)
        constants = data.View(Constants, self.constants)

        params = Signal(8 * PARAM_BYTES)
        with m.If(drain.param):
            m.d.sync += params.word_select(drain.index, 8).eq(self.side)
        bias = params[:32].as_signed()
        mantissa = params[32:56]
        shift = params[56:62]

        valid = [draining.valid]
        residual = [draining.residual]
        for stage in range(1, LANE_LATENCY - 1):
            valid.append(Signal(name=f"valid_{stage}"))
            residual.append(Signal(name=f"residual_{stage}"))
            m.d.sync += [valid[stage].eq(valid[stage - 1]), residual[stage].eq(residual[stage - 1])]

        biased = Signal(_ACC)
        with m.If(valid[0]):
            m.d.sync += biased.eq(total + bias)

        magnitude = Signal(32)
        negative = Signal(4)
        m.d.sync += negative.eq(Cat(biased[31], negative[:-1]))
        with m.If(valid[1]):
            m.d.sync += magnitude.eq(Mux(biased[31], -biased, biased))

        significant, exponent = self._round24(m, magnitude, valid[2])

        product = Signal(49)
        exponent_p = Signal.like(exponent)
        with m.If(valid[3]):
            m.d.sync += [product.eq(significant * mantissa), exponent_p.eq(exponent)]

        integer, fraction, rest = self._align(m, product, shift, exponent_p, valid[4])
        rounded = self._round_half_even(m, integer, fraction, rest, negative[3], valid[5])

        main = Signal(signed(8))
        with m.If(valid[6]):
            m.d.sync += main.eq(_clamp(rounded + constants.zero_point, constants.low, constants.high))

        blend = Signal(signed(34))
        main_late = Signal(signed(8))
        with m.If(valid[7]):
            m.d.sync += main_late.eq(main)
            with m.If(residual[7]):
                m.d.sync += blend.eq(main * constants.main + self.side.as_signed() * constants.skip + constants.offset)

        with m.If(valid[8]):
            summed = _clamp(blend >> constants.shift, constants.residual_low, constants.residual_high)
            m.d.sync += self.out.eq(Mux(residual[8], summed, main_late))

    def _round24(self, m: Module, magnitude: Signal, enable: Value) -> tuple[Signal, Signal]:
        """``magnitude`` as ``significant * 2**exponent`` with 24 significant bits, half to even (may be 2**24)."""
        significant = Signal(25)
        exponent = Signal(4)
        with m.If(enable):
            m.d.sync += [significant.eq(magnitude), exponent.eq(0)]
            for drop in range(1, 9):
                with m.If(magnitude[23 + drop]):
                    kept, tail = magnitude[drop:], magnitude[:drop]
                    half = Const(1 << (drop - 1), unsigned(drop))
                    up = (tail > half) | ((tail == half) & kept[0])
                    m.d.sync += [significant.eq(kept[:24] + up), exponent.eq(drop)]
        return significant, exponent

    def _align(
        self, m: Module, product: Signal, shift: Value, exponent: Signal, enable: Value
    ) -> tuple[Signal, Signal, Signal]:
        """``product * 2**(exponent - shift)`` as integer part (saturated), fraction, and whether anything is below."""
        integer = Signal(_INTEGER)
        fraction = Signal(_FRACTION)
        rest = Signal()
        right = Signal(6)
        shifted = Signal(len(product) + _FRACTION)
        below = Signal(64)
        m.d.comb += right.eq(shift - exponent)
        with m.If(enable):
            m.d.comb += [
                shifted.eq(Cat(Const(0, _FRACTION), product) >> right),
                below.eq((Cat(Const(0, _FRACTION), product)[:64]) & ((Const(1, 64) << right)[:64] - 1)),
            ]
            whole = shifted[_FRACTION:]
            m.d.sync += [
                fraction.eq(shifted[:_FRACTION]),
                rest.eq(below.any()),
                integer.eq(Mux(whole[_INTEGER:].any(), (1 << _INTEGER) - 1, whole[:_INTEGER])),
            ]
        return integer, fraction, rest

    def _round_half_even(
        self, m: Module, integer: Signal, fraction: Signal, rest: Signal, negative: Value, enable: Value
    ) -> Signal:
        """The signed integer nearest to a value that was rounded to 24 significant bits before."""
        rounded = Signal(signed(_INTEGER + 2))
        half = 1 << (_FRACTION - 1)
        # Half a unit in the last of 24 places, in units of the fraction: 2**bit_length(integer).
        window = Signal(_INTEGER + 1)
        m.d.comb += window.eq(1)
        for bit in range(_INTEGER):
            with m.If(integer[bit]):
                m.d.comb += window.eq(2 << bit)
        above = fraction - half - window
        over = Signal()
        tie = Signal()
        up = Signal()
        m.d.comb += [
            over.eq((above > 0) | ((above == 0) & rest)),
            tie.eq(~over & (fraction + window >= half)),
            up.eq(over | (tie & integer[0])),
        ]
        with m.If(enable):
            size = integer + up
            m.d.sync += rounded.eq(Mux(negative, -size, size))
        return rounded


def _clamp(value: Value, low: Value, high: Value) -> Value:
    return Mux(value < low, low, Mux(value > high, high, value))
