"""``hwsim train``: its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from hwsim.training.train import TrainReport

__all__ = ["training_table"]


def training_table(report: TrainReport) -> Table:
    """Accuracy before and after."""
    title = f"{report.model} trained on {report.data}, {report.epochs} epochs at most (seed {report.settings.seed})"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("accuracy on")
    for name in ("before", "after"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("validation data", f"{report.validation_before:.2%}", f"{report.validation_after:.2%}")
    table.add_row("test data", f"{report.test_before:.2%}", f"{report.test_after:.2%}")
    return table
