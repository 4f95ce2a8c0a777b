"""Technology tables: what an event costs in a process, each figure with its source, as YAML beside this file."""

from __future__ import annotations

import difflib
import functools
import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from hwsim.energy.curves import Curve, Figure, Part, Source, Value
from hwsim.errors import InputError
from hwsim.files import reason
from rtl.config import ControlConfig, SparseConfig
from rtl.strict_yaml import YamlError, parse_yaml

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = [
    "FOLDER_VARIABLE",
    "PREFIX",
    "ArrayEnergy",
    "ControlEnergy",
    "Dram",
    "EventEnergy",
    "Isolation",
    "IsolationPoint",
    "Logic",
    "Register",
    "SparseEnergy",
    "Sram",
    "SynthesisRecipe",
    "Table",
    "drams",
    "is_shipped",
    "load_table",
    "own_folder",
    "table_names",
]

PREFIX = "characterized:"
"""Of tables that were measured in the accelerator's own netlist (:mod:`hwsim.silicon`)."""

FOLDER_VARIABLE = "HWSIM_TECHNOLOGIES"
"""Names the folder that ``hwsim characterize`` writes tables of one's own to; ``characterized`` without it."""

_DRAMS = "dram"


class Register(Part):
    """Flip-flops, a bit."""

    write_pj_per_bit: Figure
    """Written where the bit is used."""
    hop_pj_per_bit: Figure
    """Written by a neighbouring PE, wire included."""
    clock_pj_per_bit: Figure
    """Every cycle, whether written or not."""


class Sram(Part):
    """Memory macros with one read and one write port; a write costs what a read does."""

    per: Literal["bank", "scratchpad"]
    """What ``read``'s capacity is of: the macro itself, or the whole buffer around it."""
    word_bits: Annotated[int, Field(ge=1)]
    read: Curve
    """KiB to pJ, for an access of ``word_bits``."""
    fixed_fraction: Figure
    """Of an access of ``word_bits``: the share that does not shrink with the word; 0..1."""
    leakage_mw: Curve | None = None
    """KiB to mW."""
    area_um2: Curve | None = None
    """KiB to µm²."""

    def access_pj(self, kib: float, bits: int) -> float:
        """One access of ``bits`` bits: ``read(kib) * (fixed + (1 - fixed) * bits / word_bits)``."""
        fixed = self.fixed_fraction.value
        return self.read(kib) * (fixed + (1 - fixed) * bits / self.word_bits)


class Logic(Part):
    """Area and leakage of arithmetic and registers."""

    multiply_um2: Curve
    add_um2: Curve
    register_um2: Figure
    leakage_mw_per_um2: Figure


class SynthesisRecipe(Part):
    """One way to synthesise a PE, and what it gives."""

    multiplier: Literal["array", "booth"]
    clock_gating: bool
    pj: Value
    """A MAC on operands of real layers, glitches included."""
    um2: Value
    path_ps: Value | None = None
    """The longest, cells alone."""
    source: Source


class IsolationPoint(Part):
    """A PE's energy in a cycle, without and with operand isolation, on the same operands."""

    zeros: Annotated[float, Field(ge=0, le=1)]
    """Share of activations that are zero."""
    plain_pj: Value
    isolated_pj: Value


class Isolation(Part):
    """A PE whose multiplier stands still for a zero activation (:mod:`hwsim.silicon.characterisation.isolation`)."""

    um2: Value
    path_ps: Value | None = None
    real: IsolationPoint
    """Operands of real layers."""
    by_share: list[IsolationPoint]
    source: Source


class ArrayEnergy(Part):
    """What a PE of the weight-stationary array takes in a cycle, measured in its netlist; pJ, leakage apart."""

    dense_pj: Figure
    """A MAC on operands of real layers, glitches included: the sum of the four below."""
    clock_pj: Figure
    register_pj: Figure
    arithmetic_pj: Figure
    glitch_pj: Figure
    zero_activation_pj: Figure
    """The activation is zero, and was before."""
    zero_weight_pj: Figure
    idle_pj: Figure
    """Nothing moves but the clock, where it is not gated."""
    by_density: Curve
    """Share of activations that are not zero to pJ."""
    by_weight_density: Curve | None = None
    """Share of weights that are not zero to pJ."""
    recipes: list[SynthesisRecipe] = Field(default_factory=list[SynthesisRecipe])
    """Ways to synthesise it, where several were tried. All other figures are of the first."""
    isolation: Isolation | None = None
    """What operand isolation would change; no other figure has it."""


class EventEnergy(Part):
    """One event in a PE."""

    logic_pj: Value
    register_pj: Value
    """Flip-flops, and their clock where it is gated."""
    source: Source


class SparseEnergy(Part):
    """What the zero-skipping engine's PE takes, measured in its netlist; pJ, memories and leakage apart.

    For another PE than ``pe`` each goes with the bits that its event moves, or with the arithmetic that it does.
    """

    pe: SparseConfig
    idle_pj: Figure
    """A cycle in which nothing comes: clocks that are not gated."""
    take: EventEnergy
    """An activation taken, its column looked up."""
    push: EventEnergy
    """A column through the queue, in and out."""
    entry: EventEnergy
    """Read, its weight looked up, multiplied and added."""
    padding: EventEnergy
    """An entry of code 0."""
    held_out_error: Figure
    """Of layers that these were not fitted to: the largest error of a layer's energy; 0..1."""


class ControlEnergy(Part):
    """What instructions take on their way to the engines, measured in the netlist of that path; pJ, leakage apart.

    Fetch and its queue, dispatch, and a queue and a gate for each engine. No price has it: nothing counts instructions.
    """

    path: ControlConfig
    """Depths of the queues."""
    idle_pj: Figure
    """A cycle in which nothing comes: clocks that are not gated."""
    fetch: EventEnergy
    """An instruction out of DRAM's beats into the fetch queue."""
    dispatch: EventEnergy
    """Out of it, and into its engine's queue."""
    issue: EventEnergy
    """Taken by its engine, and retired."""
    stall: EventEnergy
    """A cycle in which an engine waits for a token, and counts it."""
    held_out_error: Figure
    """Of another network's program: the largest error of the energy of some of its cycles; 0..1."""


class Dram(Part):
    """A kind of memory outside the chip."""

    pj: Value
    bits: Annotated[int, Field(ge=1)]
    source: Source
    range_pj: list[float] | None = None
    """Where the source gives a range; ``pj`` is inside."""

    @property
    def pj_per_bit(self) -> float:
        """Either way."""
        return self.pj / self.bits


class Table(Part):
    """One technology."""

    name: str
    title: str
    unit: Literal["pJ", "MAC"]
    """Of every figure called pJ. ``MAC``: relative to one multiply-accumulate, so neither power nor TOPS/W exist."""
    multiply: Curve
    """Bits of both operands to pJ."""
    add: Curve
    """Bits to pJ."""
    registers: Register
    sram: Sram
    dram: str | Dram
    """The kind that is used where the configuration names none; or the table's own."""
    logic: Logic | None = None
    array: ArrayEnergy | None = None
    """Where the figures are from a netlist: in its own terms, to be read; ``multiply`` and the others price."""
    sparse: SparseEnergy | None = None
    """Where the zero-skipping engine's PE was measured: its events go by it, not by bits and operators."""
    control: ControlEnergy | None = None
    """Where the path of instructions was measured: to be read, no price has it."""
    voltage_v: Figure | None = None
    """That the figures are for. None, or no threshold: not published, and no scaling with voltage."""
    threshold_v: Figure | None = None
    alpha: Figure | None = None

    def multiply_pj(self, a_bits: int, b_bits: int) -> float:
        """A multiplication of operands of different widths costs that of two of their geometric mean."""
        return self.multiply((a_bits * b_bits) ** 0.5)

    def mac_pj(self, a_bits: int, b_bits: int, sum_bits: int) -> float:
        """One multiply-accumulate, its operands at hand."""
        return self.multiply_pj(a_bits, b_bits) + self.add(sum_bits)


def table_names() -> list[str]:
    """Names that :func:`load_table` knows."""
    folder = resources.files("hwsim.energy") / "tables"
    published = set(_stems(folder)) - {_DRAMS}
    own = own_folder()
    measured = {name for place in (folder / "characterized", own) if place.is_dir() for name in _stems(place)}
    return sorted(published | {PREFIX + name for name in measured})


@functools.cache
def load_table(name: str) -> Table:
    """The technology called ``name``; one of ``characterized:NAME`` from one's own folder before a shipped one.

    Raises:
        InputError: there is none, or it is not a table.

    """
    names = table_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
        raise InputError(f"technology {name!r}: no such table; {hint}")
    if not name.startswith(PREFIX):
        return Table.model_validate(_tree(name))
    own = own_folder() / f"{name.removeprefix(PREFIX)}.yaml"
    if not own.is_file():
        return Table.model_validate(_tree(f"characterized/{name.removeprefix(PREFIX)}"))
    try:
        return Table.model_validate(parse_yaml(own.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{own}: cannot be read: {reason(error)}") from error
    except (YamlError, ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"{own}: not a technology table: {_first(error)}") from error


def is_shipped(name: str) -> bool:
    """Whether hwsim comes with a table ``name``, which one of the user's own stands before."""
    folder = resources.files("hwsim.energy") / "tables"
    return (folder / "characterized" / f"{name.removeprefix(PREFIX)}.yaml").is_file()


@functools.cache
def drams() -> dict[str, Dram]:
    """Kinds of DRAM, by the names that a configuration gives them."""
    return TypeAdapter(dict[str, Dram]).validate_python(_tree(_DRAMS))


def _first(error: YamlError | ValidationError | UnicodeDecodeError) -> str:
    """What is wrong, and where, in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"


def _tree(name: str) -> object:
    return parse_yaml((resources.files("hwsim.energy") / "tables" / f"{name}.yaml").read_text(encoding="utf-8"))


def own_folder() -> Path:
    """Where tables of one's own are looked for."""
    return Path(os.environ.get(FOLDER_VARIABLE, "characterized"))


def _stems(folder: Traversable | Path) -> list[str]:
    return [e.name.removesuffix(".yaml") for e in folder.iterdir() if e.name.endswith(".yaml") and e.is_file()]
