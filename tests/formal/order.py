"""First in, first out: the one property of every queue, stated for an entry that stands for all."""

from amaranth import Module, Mux, Signal, Value

from tests.formal.spec import Spec

__all__ = ["Follower"]


class Follower:
    """Follows one entry, whichever the solver picks, on its way through a queue.

    What is pushed n-th is popped n-th: the entry is popped when as many have been popped as were ahead of it, and it is
    what was pushed. That it may be any entry makes it a proof that none is lost, doubled, changed or overtaken.

    Parameters
    ----------
    push, data : an entry goes in
    pop, out : one comes out
    most : entries that the queue can hold

    Attributes
    ----------
    inside : it is in the queue
    ahead : entries that are popped before it
    value : its data
    level : entries in the queue
    """

    def __init__(self, spec: Spec, m: Module, name: str, *, push, data, pop, out, most: int) -> None:
        self.inside = Signal(name=f"{name}_inside")
        self.level = Signal(range(most + 2), name=f"{name}_level")
        self.ahead = Signal(range(most + 2), name=f"{name}_ahead")
        self.value = Signal(len(data), name=f"{name}_value")
        picked = spec.free(1, f"{name}_pick")
        follow, leaves = Signal(name=f"{name}_follow"), Signal(name=f"{name}_leaves")
        ahead = Signal.like(self.ahead, name=f"{name}_ahead_now")
        expected = Signal.like(self.value, name=f"{name}_expected")
        m.d.comb += [
            follow.eq(push & picked & ~self.inside),
            # A queue may hand on at once what it is given.
            ahead.eq(Mux(self.inside, self.ahead, self.level)),
            expected.eq(Mux(self.inside, self.value, data)),
            leaves.eq((self.inside | follow) & pop & (ahead == 0)),
        ]
        with m.If(follow):
            m.d.sync += [self.inside.eq(1), self.value.eq(data), self.ahead.eq(self.level - pop)]
        with m.Elif(self.inside & pop):
            m.d.sync += self.ahead.eq(self.ahead - 1)
        with m.If(leaves):
            m.d.sync += self.inside.eq(0)
        m.d.sync += self.level.eq(self.level + push - pop)
        spec.check(m, f"{name}.in_order", ~leaves | (out == expected))
        spec.check(m, f"{name}.never_overflows", ~(push & ~pop & (self.level == most)))
        spec.check(m, f"{name}.never_pops_nothing", ~(pop & ~push & (self.level == 0)))
        spec.lemma(m, f"{name}.level", self.level <= most)
        spec.lemma(m, f"{name}.ahead", ~self.inside | (self.ahead < self.level))

    def ahead_is(self, place: int | Value) -> Value:
        """The entry is in the queue, and that many are popped before it."""
        return self.inside & (self.ahead == place)
