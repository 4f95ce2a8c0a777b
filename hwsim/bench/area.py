"""Every preset in cells of two libraries, and a PE of each kind beside its bound."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.bench.page import table
from hwsim.energy.hardware import pe_bits, queue_bits
from hwsim.energy.model import EnergyModel
from hwsim.energy.options import with_technology
from hwsim.silicon.library.memory import load_memories
from hwsim.silicon.library.technology import prepare
from hwsim.silicon.synthesis.area import Area, measure_area
from hwsim.silicon.synthesis.bound import PeArea, elements, measure_pe
from hwsim.silicon.synthesis.cells import Recipe
from hwsim.silicon.tools import absent
from hwsim.simulation.verilog import accelerator_verilog
from rtl.config import ArchConfig, load_arch
from rtl.verilog import TOP
from workloads.reference.eie import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hwsim.silicon.library.technology import Technology

__all__ = ["PRESETS", "lines"]

PRESETS = ("dense-8x8", "eyeriss-like", "dense-16x16", "dense-32x32", "eie-64", "hybrid-16x16-eie-16")
_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("array or PEs", ("column", "processing_element")),
    ("lanes: requantisation", ("lane", "sparse_lane")),
    ("engines: addresses, skew", ("accelerator.core.dense", "accelerator.core.sparse")),
    ("POST engine", ("accelerator.core.post_engine",)),
    ("fetch, queues, tokens", ("accelerator.fetch", "accelerator.issue")),
    ("DMA", ("accelerator.load", "accelerator.store")),
    ("event counters", ("accelerator.counters",)),
)
"""What the cells of a design are: modules by the beginning of their names, each with what is inside it alone."""
_NANGATE45_NAND2_UM2 = 0.798
"""NAND2_X1 of the NanGate 45 nm Open Cell Library: 0.57 x 1.4 um."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Library:
    """A cell library, and how it is synthesised to."""

    name: str
    """Of its characterised table too."""
    file: str
    period_ps: float
    memories: str
    dont_use: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return Path("../shared/liberty") / self.file

    @property
    def recipe(self) -> Recipe:
        return Recipe(period_ps=self.period_ps)


_LIBRARIES = (
    _Library(name="sky130hd", file="sky130hd_tt_025C_1v80.lib.gz", period_ps=8000.0, memories="sky130"),
    _Library(
        name="asap7",
        file="asap7_rvt_tt_merged.lib.gz",
        period_ps=1000.0,
        memories="tpuv4i-7nm",
        # Or every flip-flop is of fourfold strength.
        dont_use=("*DFFHQx4*",),
    ),
)


def lines() -> Iterator[str]:
    """The section."""
    found = [library for library in _LIBRARIES if library.path.is_file()]
    for library in _LIBRARIES:
        if library not in found:
            yield f"No {library.path}: nothing was synthesised to {library.name}."
            yield ""
    with tempfile.TemporaryDirectory(prefix="hwsim-bench-") as folder:
        technologies = {}
        for library in found:
            (place := Path(folder) / library.name).mkdir()
            technologies[library.name] = prepare(library.path, place, library.dont_use)
        areas = {
            (preset, library.name): measure_area(_verilog(preset), TOP, technologies[library.name], library.recipe)
            for preset in PRESETS
            for library in found
        }
        yield from _cells(found, areas)
        yield from _shares(found, areas)
        yield from _elements(found, technologies)


def _verilog(preset: str) -> str:
    return accelerator_verilog(load_arch(preset))


def _cells(libraries: list[_Library], areas: dict[tuple[str, str], Area]) -> Iterator[str]:
    yield (
        "`hwsim synthesize` ([how](silicon.md#area-of-the-whole-accelerator)): cells alone, hierarchy kept, nothing "
        "placed, no wires. *kGE*: thousands of the library's smallest two-input NAND. *Longest path*: from register to "
        "register through all modules by OpenSTA, memories apart. *Memories* are black boxes, every word and read port "
        "of which the SRAM model prices: scratchpads and, in brackets, the counters' share (512 layers are told apart: "
        "`control.max_layers`). *Model*: multipliers, adders and flip-flops as `estimate` counts them with "
        "`characterized:` the same library, over the cells synthesised; it leaves control out, by its definition."
    )
    yield ""
    rows = []
    for preset in PRESETS:
        for library in libraries:
            area = areas[preset, library.name]
            sram = load_memories(library.memories).sram
            held = sum(m.instances * m.kib for m in area.macros)
            counters = sum(m.instances * m.kib for m in area.macros if "counters" in m.module)
            model = EnergyModel(with_technology(load_arch(preset), table=f"characterized:{library.name}")).area_mm2()
            if model is None or area.gates is None:
                raise ValueError(f"{library.name} has no areas")
            rows.append(
                (
                    preset,
                    library.name,
                    f"{area.um2 / 1e6:.4g}",
                    f"{area.gates / 1000:,.0f}",
                    f"{area.path.period_ps:,.0f}" if area.path else f"{area.logic_ps:,.0f} (ABC, a module's logic)",
                    f"{area.path.fmax_mhz:,.0f}" if area.path else "",
                    f"{held:,.0f} ({counters:,.0f})",
                    f"{(area.macro_um2(sram) or 0) / 1e6:.3g}",
                    f"{(model.mac + model.register) * 1e6 / area.um2:.0%}",
                )
            )
    yield from table(
        ("preset", "library", "cells, mm²", "kGE", "longest path, ps", "MHz", "memories, KiB", "mm²", "model / cells"),
        rows,
    )
    if (missing := absent("opensta")) is not None:
        yield ""
        yield missing
    yield ""


def _shares(libraries: list[_Library], areas: dict[tuple[str, str], Area]) -> Iterator[str]:
    yield "Where the cells are, as shares of their area:"
    yield ""
    rows = []
    for preset in PRESETS:
        for library in libraries:
            area = areas[preset, library.name]
            shares = [_share(area, modules) for _, modules in _GROUPS]
            rows.append((preset, library.name, *(f"{share:.0%}" for share in shares), f"{1 - sum(shares):.0%}"))
    yield from table(("preset", "library", *(what for what, _ in _GROUPS), "the rest"), rows)
    yield ""


def _share(area: Area, modules: tuple[str, ...]) -> float:
    """Of the modules whose names begin so; a name ends at a dot."""
    return (
        sum(p.instances * p.own_um2 for p in area.parts if any(f"{p.module}.".startswith(f"{m}.") for m in modules))
        / area.um2
    )


def _kinds() -> Iterator[tuple[str, ArchConfig]]:
    yield "dense-16x16", load_arch("dense-16x16")
    base = load_arch("dense-16x16").model_dump()
    dense = base["dense"] | {"depthwise_taps": 0}
    yield "dense-16x16, no depthwise", ArchConfig.model_validate(base | {"dense": dense})
    dense |= {"dataflow": "output_stationary"}
    yield "dense-16x16, output stationary", ArchConfig.model_validate(base | {"dense": dense})
    yield "eie-64", load_arch("eie-64")


def _elements(libraries: list[_Library], technologies: dict[str, Technology]) -> Iterator[str]:
    yield (
        "A PE beside its bound: a multiplier, an adder and the registers of its operands and of its sum, without "
        "anything that decides when (as many of them in a column as there are PEs), synthesised in the same way; "
        "µm². The memories of a zero-skipping PE are not in it."
    )
    yield ""
    rows, sparse = [], []
    for name, config in _kinds():
        verilog = accelerator_verilog(config)
        for library in libraries:
            technology = technologies[library.name]
            for element in elements(config):
                found = measure_pe(verilog, element, technology, library.recipe)
                rows.append((name, element.kind, library.name, *_beside(found)))
                if element.kind == "zero-skipping" and technology.gate_um2:
                    sparse.append((library.name, found.pe.total / technology.gate_um2))
    yield from table(
        ("preset", "PE", "library", "PE: flip-flops", "logic", "bound: flip-flops", "logic", "PE / bound"), rows
    )
    yield ""
    eie = load_arch("eie-64").sparse
    queue = eie.fifo_depth * queue_bits(eie)
    yield (
        "The gap, named. Weight stationary: two flags a row, and the choice between a row's activation and the "
        "column's own in the rows that do depthwise convolution (none without it); a weight that stays has its clock "
        "gated, which takes no multiplexer. Output stationary: the multiplexers of the sum, which start a tile and "
        f"hand finished sums on. Zero-skipping: {queue} of its {pe_bits(eie)} flip-flops are the {eie.fifo_depth} "
        "places of its queue, and the rest are a pipeline between its memories: pointers, the walk "
        "along a column entry by entry, codebook, product, sum."
    )
    yield ""
    theirs = {m.item: m.area_um2 or 0.0 for m in MODULES.rows() if m.kind == "module"}
    logic = theirs["Act queue"] + theirs["ArithmUnit"]
    ours = ", ".join(f"{gates * _NANGATE45_NAND2_UM2:,.0f} µm² ({name})" for name, gates in sparse)
    yield (
        f"EIE's PE (Table II, TSMC 45 nm) has {logic:,.0f} µm² of queue and arithmetic, without memories and "
        f"their control. A PE of eie-64 in NANDs of 45 nm ({_NANGATE45_NAND2_UM2} µm², NanGate's open library, which "
        f"is not TSMC's) is {ours}: all of its logic, control and pipeline included."
    )


def _beside(found: PeArea) -> tuple[str, ...]:
    pe, bound = found.pe, found.bound
    values = (f"{value:,.1f}" for value in (pe.flip_flops, pe.logic, bound.flip_flops, bound.logic))
    return (*values, f"{pe.total / bound.total:.2f}")
