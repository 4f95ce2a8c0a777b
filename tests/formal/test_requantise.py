"""Requantisation rounds as float32 does: what the trick with the window gives is what rounding twice would."""

import pytest
from amaranth import Const, Module, Mux, Signal, Value, signed

from rtl.requantise import Requantise
from tests.formal.mutants import Bug
from tests.formal.spec import Inside, Spec, anything, past

_INTEGER_MOST = 511
"""Larger results saturate to it, or to the next one."""


class RequantiseSpec(Spec):
    """Stage by stage, each from whatever the stage before it may hand on."""

    def specify(self, m: Module) -> None:
        unit = Requantise()
        self.free_ports(unit)
        m.submodules.unit = inside = Inside(unit)
        valid = [unit.valid, *(inside[f"valid_{k}"] for k in range(1, 9))]
        was = {k: past(m, valid[k], f"valid_{k}") for k in (0, 1, 2, 3, 6, 7, 8)}
        biased, magnitude = inside["biased"], inside["magnitude"]
        total = past(m, (unit.total + unit.bias)[:32], "total")
        self.check(m, "bias", ~was[0] | (biased == total.as_signed()))
        before = past(m, biased, "biased")
        self.check(m, "magnitude", ~was[1] | (magnitude == Mux(before < 0, -before, before)))

        significant, exponent = inside["significant"], inside["exponent"]
        exact = past(m, magnitude, "magnitude")
        self.check(m, "float.value", ~was[2] | ((significant << exponent) == self._nearest(m, exact, 24, "float")))

        product = past(m, significant * unit.mantissa, "product")
        self.check(m, "product", ~was[3] | (inside["product"] == product))
        self._result(m, unit, inside, valid)
        rounded, c = past(m, inside["rounded"], "rounded"), unit.constants
        value = Signal(signed(14))
        low, high = past(m, c.low, "low"), past(m, c.high, "high")
        m.d.comb += value.eq(rounded.as_signed() + past(m, c.zero_point, "zero_point").as_signed())
        self.check(m, "clamp", ~was[6] | (inside["main"] == _clamped(value, low.as_signed(), high.as_signed())))
        self._residual(m, unit, inside, was)

    def _residual(self, m: Module, unit: Requantise, inside: Inside, was: dict[int, Signal]) -> None:
        """``(main * P + side * Q + offset) >> shift``, floored and clipped; without a residual the byte as it was."""
        c, main, side = unit.constants, inside["main"], unit.side.as_signed()
        blended = Signal(signed(48), name="blended")
        m.d.comb += blended.eq(main.as_signed() * c.main + side * c.skip + c.offset)
        expected, is_residual = past(m, blended, "blended"), past(m, inside["residual_7"], "residual_7")
        blend, late = inside["blend"].as_signed(), inside["main_late"]
        self.check(m, "residual.sum", ~(was[7] & is_residual) | (blend == expected))
        self.check(m, "residual.none", ~was[7] | (late == past(m, main, "main")))

        # The whole number that is not above, and nearer than one: by what is left, not by a shift.
        whole, unit_of = anything(m, signed(34), "any_whole"), Signal(33, name="unit_of_shift")
        m.d.comb += unit_of.eq(1 << c.shift)
        rest = Signal(signed(70), name="rest")
        m.d.comb += rest.eq(blend - (whole << c.shift))
        its = past(m, (rest >= 0) & (rest < unit_of), "its_whole")
        low, high = past(m, c.residual_low, "residual_low"), past(m, c.residual_high, "residual_high")
        summed = _clamped(whole, low.as_signed(), high.as_signed())
        is_residual, late = past(m, inside["residual_8"], "residual_8"), past(m, late, "main_late")
        self.check(m, "residual.shifted", ~(was[8] & is_residual & its) | (unit.out.as_signed() == summed))
        self.check(m, "residual.left_out", ~was[8] | is_residual | (unit.out.as_signed() == late))

    def _result(self, m: Module, unit: Requantise, inside: Inside, valid: list[Value]) -> None:
        """``product * 2**(exponent - shift)``: to 24 significant bits, then to an integer, both half to even."""
        product, exponent = inside["product"], inside["exponent_p"]
        self.assume(m, unit.shift >= 8)  # so that it is never less than an exponent
        self.lemma(m, "exponent", (exponent <= 8) & (inside["exponent"] <= 8))
        right = Signal(6)
        m.d.comb += right.eq(unit.shift - exponent)
        product, right = (past(m, past(m, part, n), n + "_2") for part, n in ((product, "its"), (right, "right")))
        asked = past(m, past(m, valid[4], "asked") & valid[5], "asked_2")
        rounded = self._nearest(m, product, 24, "result")
        doubled = Signal(len(rounded) + 2)
        whole, rest, half, up = Signal(52), Signal(64), Signal(64), Signal()
        m.d.comb += [
            doubled.eq(rounded),
            whole.eq(doubled >> right),
            rest.eq(doubled & ((Const(1, 64) << right)[:64] - 1)),
            half.eq((Const(1, 64) << right)[1:65]),
            up.eq((right != 0) & ((rest > half) | ((rest == half) & whole[0]))),
        ]
        integer = Signal(53)
        size = inside["rounded"]
        m.d.comb += integer.eq(whole + up)
        negative = past(m, inside["negative"][3], "negative")
        found = Signal(12)
        m.d.comb += found.eq(Mux(negative, -size, size))
        right_one = Mux(integer < _INTEGER_MOST, found == integer, found >= _INTEGER_MOST)
        self.check(m, "result", ~asked | right_one)

    def _nearest(self, m: Module, value: Value, bits: int, name: str) -> Signal:
        """``value`` with so many significant bits, the nearest such, half to even: by its definition, bit by bit."""
        nearest = Signal(len(value) + 1, name=f"{name}_nearest")
        m.d.comb += nearest.eq(value)
        for drop in range(1, len(value) - bits + 1):
            with m.If(value[bits + drop - 1]):
                unit = 1 << drop
                low, kept = value[:drop], value[drop:]
                up = (low > unit // 2) | ((low == unit // 2) & kept[0])
                m.d.comb += nearest.eq((kept + up) << drop)
        return nearest


def _clamped(value: Value, low: Value, high: Value) -> Value:
    return Mux(value < low, low, Mux(value > high, high, value))


def test_requantisation_rounds_as_float32_does(prove):
    prove(RequantiseSpec(), depth=4)


BUGS = [
    Bug("half goes up", Requantise, "((tail == half) & kept[0])", "(tail == half)", ("float.value",)),
    Bug("no window", Requantise, "tie.eq(~over & (fraction + window >= half))", "tie.eq(~over & (fraction >= half))",
        ("result",)),
    Bug("forgets what is below", Requantise, "(above == 0) & rest", "(above == 0) & 0", ("result",)),
    Bug("adds without its sign", Requantise, "self.side.as_signed() * constants.skip", "self.side * constants.skip",
        ("residual.sum",)),
    Bug("clips before it shifts", Requantise, "_clamp(blend >> constants.shift,", "_clamp(blend,",
        ("residual.shifted",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(RequantiseSpec, bug, 9)
