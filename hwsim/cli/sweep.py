"""``hwsim sweep``: architectures against compression, and what is best of them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsim.cli.command import JsonFile, deliver
from hwsim.cli.reports import check_reports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hwsim.sweeps.execution.progress import Progress, Watcher

__all__ = ["sweep"]

CsvFile = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a row per point as CSV.")]
ParquetFile = Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="The same as Parquet.")]
HtmlFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page with linked views.")
]


def sweep(
    file: Annotated[Path, typer.Argument(metavar="SWEEP.yaml", help="What to explore: see docs/sweeps.md.")],
    study: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="Where points are kept: a SQLite file, or a database's URL.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=0, help="Processes; as many as cores without it. 0: this one.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS|local", help="A Dask scheduler, such as tcp://10.0.0.1:8786.")
    ] = None,
    verify_front: Annotated[int, typer.Option(metavar="N", min=0, help="Run N points of each front in RTL.")] = 0,
    point: Annotated[
        str | None, typer.Option(metavar="ID", help="Compute this point again, and compare it with the study.")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Of a sampler; the sweep's own without it.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of a sampler; the sweep's own without it.")] = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    parquet_file: ParquetFile = None,
    html_file: HtmlFile = None,
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a study, or join one that is running.")] = False,
) -> None:
    """Explore architectures and compression together; show the best trade-offs.

    Exits with 1 where points failed.
    """
    check_reports(json=json_file, csv=csv_file, parquet=parquet_file, html=html_file)
    if point is not None:
        _again(file, point, study, json_file)
        return

    import hwsim
    from hwsim.sweeps.report.terminal import sweep_screen

    with _watching() as watcher:
        result = hwsim.sweep(
            file,
            study=study,
            resume=resume,
            jobs=jobs,
            scheduler=scheduler,
            verify_front=verify_front,
            trials=trials,
            seed=seed,
            watcher=watcher,
        )
    again = f"hwsim sweep {file}" + (f" --study {study}" if study else "")
    if html_file is not None:
        from hwsim.files import write_text
        from hwsim.sweeps.report.page import sweep_page

        write_text(html_file, sweep_page(result, again))
    if csv_file is not None:
        from hwsim.sweeps.report.tables import write_csv

        write_csv(csv_file, result)
    if parquet_file is not None:
        from hwsim.sweeps.report.tables import write_parquet

        write_parquet(parquet_file, result)
    deliver(sweep_screen(result, again), result.to_json(), json_file)
    if result.failed():
        raise typer.Exit(1)


def _again(file: Path, point: str, study: str | None, json_file: Path | None) -> None:
    from dataclasses import asdict

    from hwsim.sweeps.api import reproduce
    from hwsim.sweeps.report.terminal import point_screen

    result = reproduce(file, point, study=study)
    tree = {**asdict(result.outcome), "assignment": result.task.assignment, "differences": result.differences()}
    deliver(point_screen(result), tree, json_file)
    if result.outcome.state == "failed" or result.differences():
        raise typer.Exit(1)


@contextlib.contextmanager
def _watching() -> Iterator[Watcher]:
    """A bar on stderr with points, front, failures and the time that is left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns: tuple[Any, ...] = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("front {task.fields[front]}, failed {task.fields[failed]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield _Bar(bar)


class _Bar:
    """One line for each stage."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._stage = ""
        self._task: Any = None

    def at(self, progress: Progress) -> None:
        if self._stage != progress.stage:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._stage = progress.stage
            self._task = self._bar.add_task(progress.stage, total=progress.total, front=0, failed=0)
        self._bar.update(self._task, completed=progress.done, front=progress.front, failed=progress.failed)
