"""The output stage: 32-bit sums in, requantised int8 out. The one arithmetic of every lane."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["MANTISSA_AT", "OUT_AT", "SHIFT_AT", "SIDE_AT", "Constants", "Requantise", "unpack"]

_ACC = signed(32)
_FRACTION = 25
"""Fraction bits that decide the rounding: one below the last bit of a float32 in [0.5, 1)."""
_INTEGER = 9
"""Integer bits kept; larger values saturate whatever the zero point."""

MANTISSA_AT, SHIFT_AT, SIDE_AT, OUT_AT = 3, 4, 7, 9
"""Cycles from a sum to what is needed with it later, and to its byte."""


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


def unpack(params: Value) -> tuple[Value, Value, Value]:
    """Bias, mantissa and shift of a channel's PARAM_BYTES."""
    return params[:32].as_signed(), params[32:56], params[56:62]


class Requantise(wiring.Component):
    """One channel's arithmetic, a value per cycle.

    ::

        cycle
        t         sum, bias
        t + 1     magnitude
        t + 2     rounded to 24 significant bits
        t + 3     times mantissa
        t + 4     shifted
        t + 5     rounded
        t + 6     zero point, clamp
        t + 7     residual: products and offset
        t + 8     residual: shift, clamp
        t + 9     out

    Requantisation equals a float32 multiplication, rounded half to even, of the sum converted to float32: what ONNX
    Runtime computes (see ``docs/numerics.md``). The result of that multiplication has 24 significant bits, so a value
    within half a unit in that last place of a tie *is* a tie; the fraction is compared with that window.

    Ports
    -----
    valid, residual, total, bias : In
        In cycle t.
    mantissa, shift, side : In
        In cycles t + MANTISSA_AT, t + SHIFT_AT and t + SIDE_AT. ``side`` is the residual's byte.
    constants : In(Constants)
    out : Out(8)
        In cycle t + OUT_AT.
    """

    valid: In(1)
    residual: In(1)
    total: In(_ACC)
    bias: In(_ACC)
    mantissa: In(24)
    shift: In(6)
    side: In(8)
    constants: In(Constants)
    out: Out(8)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        constants = self.constants
        valid = [self.valid]
        residual = [self.residual]
        for stage in range(1, OUT_AT):
            valid.append(Signal(name=f"valid_{stage}"))
            residual.append(Signal(name=f"residual_{stage}"))
            m.d.sync += [valid[stage].eq(valid[stage - 1]), residual[stage].eq(residual[stage - 1])]

        biased = Signal(_ACC)
        with m.If(valid[0]):
            m.d.sync += biased.eq(self.total + self.bias)

        magnitude = Signal(32)
        negative = Signal(4)
        m.d.sync += negative.eq(Cat(biased[31], negative[:-1]))
        with m.If(valid[1]):
            m.d.sync += magnitude.eq(Mux(biased[31], -biased, biased))

        significant, exponent = self._round24(m, magnitude, valid[2])

        product = Signal(49)
        exponent_p = Signal.like(exponent)
        with m.If(valid[3]):
            m.d.sync += [product.eq(significant * self.mantissa), exponent_p.eq(exponent)]

        integer, fraction, rest = self._align(m, product, self.shift, exponent_p, valid[4])
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
        return m

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
