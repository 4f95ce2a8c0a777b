"""The issue gate: tokens are neither made nor lost, and none is taken that is not there."""

import pytest
from amaranth import Cat, Module, Signal
from amaranth.lib import data

from rtl.control.gate import Gate
from rtl.isa import MAX_TOKENS, Engine
from rtl.isa_layout import HEADER
from tests.formal.mutants import Bug, quick_first
from tests.formal.spec import Inside, Spec

MOST_FLYING = 200


class GateSpec(Spec):
    """The gate between a queue of any words, an engine that takes them or not, and engines that give tokens."""

    def __init__(self, engine: Engine = Engine.COMPUTE) -> None:
        super().__init__()
        self.engine = engine

    def specify(self, m: Module) -> None:
        gate = Gate(self.engine)
        self.free_ports(gate)
        m.submodules.gate = inside = Inside(gate)
        issue = Signal()
        m.d.comb += issue.eq(gate.engine.valid & gate.engine.ready)
        wait = data.View(HEADER, gate.engine.payload).wait
        overflows, missing = [], []
        for other in gate.causes:
            name = other.name.lower()
            held = Signal(range(MAX_TOKENS + 3), name=f"held_{name}")
            given, taken = gate.given[other], issue & wait[other]
            m.d.sync += held.eq(held + given - taken)
            full = given & ~taken & (held == MAX_TOKENS)
            overflows.append(full)
            missing.append(data.View(HEADER, gate.queue.payload).wait[other] & (held == 0))
            # A token too many stops the run: nothing is claimed from then on.
            self.assume(m, held <= MAX_TOKENS)
            self.check(m, f"{name}.never_negative", ~taken | (held != 0))
            self.check(m, f"{name}.overflow_is_told", ~full | gate.overflow)
            self.lemma(m, f"{name}.counted", inside[f"tokens_{name}"] == held)
            self.reach(m, f"{name}.taken", taken)
        self.check(m, "overflow.only_then", ~gate.overflow | Cat(overflows).any())
        self.check(m, "none_is_lost", gate.waiting == (gate.queue.valid & Cat(missing).any()))
        self.check(m, "issue.is_of_the_queue", issue == (gate.queue.valid & gate.queue.ready))
        self.check(m, "issue.same_word", ~issue | (gate.engine.payload == gate.queue.payload))
        self.check(m, "halt.issues_nothing", ~(issue & gate.halt))
        self._flying(m, gate, inside, issue)

    def _flying(self, m: Module, gate: Gate, inside: Inside, issue: Signal) -> None:
        """The gate knows whether any instruction has not retired."""
        number = Signal(range(MOST_FLYING + 2), name="number_flying")
        m.d.sync += number.eq(number + issue - gate.retired)
        self.assume(m, ~gate.retired | issue | (number != 0), number <= MOST_FLYING)
        self.check(m, "flying.is_told", gate.flying == (number != 0))
        self.lemma(m, "flying.counted", inside.signal("flying", width=8) == number)


@pytest.mark.parametrize(
    "engine", [Engine.COMPUTE, *(pytest.param(e, marks=pytest.mark.slow) for e in Engine if e != 1)]
)
def test_tokens_are_conserved(prove, engine):
    prove(GateSpec(engine), depth=2)


BUGS = [
    Bug("takes what is not there", Gate, "missing[i].eq(wanted & (tokens == 0))", "missing[i].eq(0)",
        ("load.never_negative", "post.never_negative", "store.never_negative")),
    Bug("a token given while one is taken is lost", Gate, "with m.If(take & ~give):", "with m.If(take):",
        ("none_is_lost",)),
    Bug("issues in a halt", Gate, "~blocked & ~self.halt", "~blocked", ("halt.issues_nothing",)),
    Bug("retired and issued at once", Gate, "with m.If(issue & ~self.retired):", "with m.If(issue):",
        ("flying.is_told",)),
]  # fmt: skip


@pytest.mark.parametrize("bug", quick_first(BUGS), ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(GateSpec, bug, 8)
