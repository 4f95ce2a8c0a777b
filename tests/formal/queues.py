"""What is always true of a queue inside a design: where its pointers are, and what holds of every entry in it."""

from collections.abc import Callable

from amaranth import Module, Mux, Signal, Value

from tests.formal.spec import Inside, Spec

__all__ = ["all_delayed", "all_entries", "pointers", "wrapped"]


def wrapped(place: Value, rows: int) -> Value:
    """``place`` modulo ``rows``, where it is below twice as many."""
    return Mux(place >= rows, place - rows, place)


def pointers(spec: Spec, m: Module, inside: Inside, queue: str, rows: int) -> None:
    """The pointers of a SyncFIFO are in range, and as far apart as its level says."""
    produce, consume, level = (inside[f"{queue}.{name}"] for name in ("produce", "consume", "level"))
    spec.lemma(m, f"{queue}.range", (produce < rows) & (consume < rows) & (level <= rows))
    spec.lemma(m, f"{queue}.distance", wrapped(consume + level, rows) == produce)


def all_entries(
    spec: Spec, m: Module, inside: Inside, queue: str, rows: int, what: str, holds: Callable[[Signal], Value]
) -> None:
    """``holds`` is true of every entry of a SyncFIFO."""
    pointers(spec, m, inside, queue, rows)
    for number in range(rows):
        place, behind = Signal(range(rows)), Signal(range(2 * rows))
        m.d.comb += [place.eq(number), behind.eq(wrapped(number + rows - inside[f"{queue}.consume"], rows))]
        row = inside.row(m, f"{queue}.storage", place)
        spec.lemma(m, f"{queue}.{what}_{number}", (behind >= inside[f"{queue}.level"]) | holds(row))


def all_delayed(
    spec: Spec, m: Module, inside: Inside, delay: str, cycles: int, holds: Callable[[Value, int], Value]
) -> None:
    """``holds`` is true of whatever is on its way through a :class:`rtl.delay.Delay`, so many cycles after it came."""
    valid, here = inside.signal(f"{delay}.valid", cycles), inside[f"{delay}.here"]
    spec.lemma(m, f"{delay}.here", here < cycles)
    for age in range(cycles - 1):
        place = Signal(range(2 * cycles))
        m.d.comb += place.eq(wrapped(here + cycles - 1 - age, cycles))
        row = inside.row(m, f"{delay}.values", place)
        spec.lemma(m, f"{delay}.{age}", ~valid[age] | holds(row, age + 1))
    spec.lemma(m, f"{delay}.out", ~valid[-1] | holds(inside[f"{delay}.o"], cycles))
