"""The files that a command can write beside its table, and seeing to them before the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli.command import STANDARD_OUTPUT

__all__ = ["CsvFile", "HtmlFile", "TraceFile", "check_reports", "refuse_reports"]

CsvFile = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a row per layer as CSV.")]
HtmlFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page with charts.")
]
TraceFile = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE.json", help="Write a timeline of the engines, for ui.perfetto.dev."),
]


def check_reports(**files: Path | None) -> None:
    """See that each file can be written, and that no two of them are the same. ``json`` may be standard output.

    Raises:
        InputError: one cannot, or two are.

    """
    asked = {option: path for option, path in files.items() if path is not None}
    given = {option: path for option, path in asked.items() if (option, path) != ("json", STANDARD_OUTPUT)}
    if not given:
        return
    from hwsim.errors import InputError
    from hwsim.files import check_output

    taken: dict[Path, str] = {}
    for option, path in given.items():
        check_output(path)
        if other := taken.get(path.resolve()):
            raise InputError(f"--{other} and --{option} would both write {path}")
        taken[path.resolve()] = option


def refuse_reports(view: str, **files: Path | None) -> None:
    """Refuse the files that ``--view`` has nothing to write into.

    Raises:
        InputError: one of them is asked for.

    """
    from hwsim.errors import InputError

    for option, path in files.items():
        if path is not None:
            raise InputError(f"--{view} is a table, and JSON with --json: leave out --{option}, or --{view}")
