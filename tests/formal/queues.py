"""What is always true of a queue inside a design: where its pointers are, and what holds of every entry in it."""

from collections.abc import Callable

from amaranth import Module, Mux, Signal, Value

from tests.formal.spec import Inside, Spec

__all__ = ["all_entries", "pointers", "wrapped"]


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
