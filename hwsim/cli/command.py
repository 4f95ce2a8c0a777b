"""What the commands share: options, output for people and for machines, progress."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hwsim.progress import Reporter

__all__ = [
    "STANDARD_OUTPUT",
    "Architecture",
    "Calibration",
    "DontUse",
    "Fidelity",
    "Goal",
    "JsonFile",
    "Liberty",
    "Model",
    "ObjectiveOption",
    "Period",
    "SimulatorOption",
    "calibration_data",
    "check_json",
    "command",
    "deliver",
    "reporting",
]


class Fidelity(StrEnum):
    """How closely cycles are estimated."""

    ANALYTIC = "analytic"
    CYCLE = "cycle"


class Rows(StrEnum):
    """How rows of compressed weights come to the PEs of the sparse engine."""

    BALANCED = "balanced"
    INTERLEAVED = "interleaved"


class Engine(StrEnum):
    """Where a layer runs that the array and the sparse engine can both run."""

    CHEAPEST = "cheapest"
    DENSE = "dense"
    SPARSE = "sparse"


class Goal(StrEnum):
    """What the mapper minimises."""

    CYCLES = "cycles"
    ENERGY = "energy"
    EDP = "edp"


Model = Annotated[str, typer.Argument(metavar="MODEL", help="An .onnx file, or the name of a workload.")]
Architecture = Annotated[
    str, typer.Option("--arch", "-a", metavar="ARCH", help="A preset (see `hwsim archs`) or a YAML file.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - for standard output.")
]
Liberty = Annotated[Path, typer.Option("--liberty", "-l", metavar="FILE[.gz]", help="Cell library, Liberty format.")]
DontUse = Annotated[
    list[str] | None, typer.Option(metavar="PATTERN", help="Cells to leave alone; may be given several times.")
]
Period = Annotated[
    float,
    # ABC takes no more digits than a millisecond has.
    typer.Option("--period", metavar="PS", min=1, max=1e9, help="Clock period that cells are sized for."),
]
Calibration = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.npy|random|nominal",
        help="Inputs \\[n, ...] to quantise a float model with; workloads bring their own.",
    ),
]
ObjectiveOption = Annotated[
    Goal, typer.Option("--objective", help="What the mapping of each layer minimises; edp is energy times cycles.")
]
RowsOption = Annotated[
    Rows, typer.Option("--rows", help="Of compressed weights: spread evenly over the PEs, or interleaved as they come.")
]
EngineOption = Annotated[
    Engine, typer.Option("--engine", help="For layers that the array and the sparse engine can both run.")
]
InputFile = Annotated[
    Path | None,
    typer.Option("--input", metavar="FILE.npy", help="The network's input; one of the workload's, or random, without."),
]
SimulatorOption = Annotated[str, typer.Option("--simulator", metavar="verilator|icarus", help="Which simulator.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

STANDARD_OUTPUT = Path("-")
FILE_WIDTH = 120
"""Columns of a table that goes elsewhere than to a terminal."""


def command(function: Callable[..., None]) -> Callable[..., None]:
    """``function`` with an option ``--debug``, which :func:`hwsim.cli.main.main` acts upon."""

    @functools.wraps(function)
    def wrapped(*, debug: bool, **arguments: Any) -> None:
        del debug
        function(**arguments)

    declared = inspect.signature(function, eval_str=True)
    debug = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Debug)
    parameters = [*declared.parameters.values(), debug]
    # Typer reads both.
    wrapped.__dict__["__signature__"] = declared.replace(parameters=parameters)
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped


def check_json(path: Path | None) -> None:
    """See that ``--json`` can be written, before the work.

    Raises:
        InputError: it cannot.

    """
    if path is not None and path != STANDARD_OUTPUT:
        from hwsim.files import check_output

        check_output(path)


def deliver(table: Any, tree: Any, path: Path | None) -> None:
    """Show ``table``, and write ``tree`` to the ``--json`` file; to standard output, ``tree`` replaces the table.

    Raises:
        InputError: the file cannot be written.

    """
    if path == STANDARD_OUTPUT:
        import json

        typer.echo(json.dumps(tree, indent=2))
        return
    if path is not None:
        from hwsim.files import write_json

        write_json(path, tree)
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        # Into a file or a pipe: as wide as the tables are, not rich's 80 columns.
        console.width = FILE_WIDTH
    console.print(table)


def calibration_data(given: str | None) -> Any:
    """The array, or the word, that ``--calibration`` names.

    Raises:
        InputError: there is no such array.

    """
    if given is None or given in ("random", "nominal"):
        return given
    from hwsim.files import load_array

    return load_array(Path(given))


@contextlib.contextmanager
def reporting() -> Iterator[Reporter]:
    """A progress bar on stderr while the work goes on; nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield _Bar(progress)


class _Bar:
    """One bar, for one stage at a time."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None)

    def stage(self, what: str, total: int | None = None) -> None:
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(what, total=total)

    def at(self, done: int) -> None:
        self._progress.update(self._task, completed=done)
