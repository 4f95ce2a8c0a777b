"""The energy of a MAC in the accelerator's own netlist beside published ones, and what each part of the gap is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.bench.page import table
from hwsim.energy.table import PREFIX, ArrayEnergy, load_table

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["lines"]

# Library, its published neighbour, and what the first trial of a PE gave in it: pJ without glitches, and with.
_LIBRARIES = (("asap7", "tpuv4i-7nm", (0.147, 0.297)), ("sky130hd", "horowitz-45nm", (5.37, 8.19)))
_PUBLISHED = (("horowitz-45nm", 0.2, 0.1), ("tpuv4i-7nm", 0.07, 0.03))


def lines() -> Iterator[str]:
    """The section."""
    yield (
        "pJ of a PE of the weight-stationary array in a cycle in which it multiplies, as `hwsim characterize` measured "
        "it in the netlist on operands of digits-cnn's layers (the shipped tables `characterized:NAME`; "
        "[how](silicon.md)). Leakage, wires and the clock tree are not in it. Published: an int8 multiplication and a "
        "32-bit addition, "
        + "; ".join(f"{name} {multiply} + {add} pJ" for name, multiply, add in _PUBLISHED)
        + ". These have no registers and no clock."
    )
    yield ""
    rows = []
    for name, neighbour, trial in _LIBRARIES:
        array = _array(name)
        settled = array.clock_pj.value + array.register_pj.value + array.arithmetic_pj.value
        published = next(multiply + add for known, multiply, add in _PUBLISHED if known == neighbour)
        rows.append(
            (
                name,
                *(f"{part.value:.4g}" for part in (array.clock_pj, array.register_pj, array.arithmetic_pj)),
                f"{settled:.4g}",
                f"{array.glitch_pj.value:.4g}",
                f"{array.dense_pj.value:.4g}",
                f"{trial[0]:g}, {trial[1]:g}",
                f"{published:g} ({neighbour})",
            )
        )
    yield from table(
        ("library", "clock", "registers", "arithmetic", "without glitches", "glitches", "in all",
         "trial: without, with", "published"),
        rows,
    )  # fmt: skip
    yield ""
    yield "The same PE in its other states, and by the share of activations that are not zero (zero point 0):"
    yield ""
    curves = {name: {point.x: point.y for point in _array(name).by_density.points} for name, *_ in _LIBRARIES}
    densities = sorted(set.intersection(*map(set, curves.values())))
    yield from table(
        ("library", "activation zero", "weight zero", "idle", *(f"density {x:g}" for x in densities)),
        [
            (
                name,
                *(f"{part.value:.4g}" for part in (array.zero_activation_pj, array.zero_weight_pj, array.idle_pj)),
                *(f"{curves[name][x]:.4g}" for x in densities),
            )
            for name, array in ((name, _array(name)) for name, *_ in _LIBRARIES)
        ],
    )
    yield from _recipes()
    yield from _isolation()
    yield from _sparse()
    yield from _control()


def _recipes() -> Iterator[str]:
    yield ""
    yield "Ways to synthesise it. The first of each library is taken: least energy at the period that was asked for."
    yield ""
    yield from table(
        ("library", "multiplier", "clock gates", "pJ of a MAC", "µm²", "longest path, ps"),
        [
            (
                name,
                recipe.multiplier,
                "yes" if recipe.clock_gating else "no",
                f"{recipe.pj:.4g}",
                f"{recipe.um2:,.4g}",
                "" if recipe.path_ps is None else f"{recipe.path_ps:,.0f}",
            )
            for name, *_ in _LIBRARIES
            for recipe in _array(name).recipes
        ],
    )


def _isolation() -> Iterator[str]:
    """Energy without and with, and whether the saving outweighs the area."""
    if not any(_array(name).isolation for name, *_ in _LIBRARIES):
        return
    yield ""
    yield (
        "With operand isolation (`hwsim.silicon.characterisation.isolation`: registers and multiplier stand still for "
        "an activation at the zero point), pJ without → with, by the share of activations that are zero. It pays where "
        "energy times area falls."
    )
    yield ""
    rows = []
    for name, *_ in _LIBRARIES:
        array = _array(name)
        if (found := array.isolation) is None:
            continue
        plain_um2 = array.recipes[0].um2
        for what, point in (("real operands", found.real), *(("drawn", point) for point in found.by_share)):
            saved = point.isolated_pj / point.plain_pj
            rows.append(
                (
                    name,
                    what,
                    f"{point.zeros:.0%}",
                    f"{point.plain_pj:.4g} → {point.isolated_pj:.4g}",
                    f"{saved - 1:+.1%}",
                    f"{found.um2 / plain_um2 - 1:+.1%}",
                    f"{saved * found.um2 / plain_um2 - 1:+.1%}",
                )
            )
    yield from table(("library", "operands", "zeros", "pJ", "energy", "area", "energy × area"), rows)


def _sparse() -> Iterator[str]:
    found = [(name, load_table(PREFIX + name).sparse) for name, *_ in _LIBRARIES]
    if not any(pe for _, pe in found):
        return
    yield ""
    yield (
        "A processing element of `eie-64`'s zero-skipping engine, pJ, memories apart. Events are fitted to layers of "
        "digits-cnn pruned to several densities; the error is the largest of layers that the fit has not seen."
    )
    yield ""
    yield from table(
        ("library", "idle, a cycle", "activation taken", "column queued", "entry", "padding entry", "error"),
        [
            (
                name,
                f"{pe.idle_pj.value:.4g}",
                *(f"{e.logic_pj + e.register_pj:.4g}" for e in (pe.take, pe.push, pe.entry, pe.padding)),
                f"{pe.held_out_error.value:.1%}",
            )
            for name, pe in found
            if pe is not None
        ],
    )


def _control() -> Iterator[str]:
    found = [(name, load_table(PREFIX + name).control) for name, *_ in _LIBRARIES]
    if not any(path for _, path in found):
        return
    yield ""
    yield (
        "The path of instructions in `dense-8x8` (fetch queue, dispatch, the engines' queues and gates), pJ. Events "
        "are fitted to digits-cnn's program; the error is the largest of some cycles of digits-mlp's, which the fit "
        "has not seen. `hwsim estimate` leaves it out."
    )
    yield ""
    yield from table(
        ("library", "idle, a cycle", "fetched", "dispatched", "issued", "stalled, a cycle", "error"),
        [
            (
                name,
                f"{path.idle_pj.value:.4g}",
                *(f"{e.logic_pj + e.register_pj:.4g}" for e in (path.fetch, path.dispatch, path.issue, path.stall)),
                f"{path.held_out_error.value:.1%}",
            )
            for name, path in found
            if path is not None
        ],
    )


def _array(name: str) -> ArrayEnergy:
    array = load_table(PREFIX + name).array
    if array is None:
        raise ValueError(f"{PREFIX}{name} was not measured in a netlist")
    return array
