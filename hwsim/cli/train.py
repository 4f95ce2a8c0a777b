"""``hwsim train``: a float network, trained or fine-tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli.command import JsonFile, Model, deliver, reporting
from hwsim.cli.reports import check_reports
from hwsim.cli.training_options import Batch, Data, Epochs, Output, Rate, Seed, WeightDecay, Work

__all__ = ["train"]

Patience = Annotated[
    int | None, typer.Option(metavar="EPOCHS", help="Stop after so many without a better validation accuracy.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start from random weights instead of those in MODEL.")]


def train(
    model: Model,
    output: Output,
    data: Data = "digits",
    epochs: Epochs = 20,
    rate: Rate = 1e-3,
    batch: Batch = 64,
    weight_decay: WeightDecay = 0.01,
    patience: Patience = None,
    seed: Seed = 0,
    work: Work = None,
    json_file: JsonFile = None,
    *,
    fresh: Fresh = False,
) -> None:
    """Train a float network on labelled data, on the CPU; killed and run again, it goes on from its last epoch."""
    check_reports(json=json_file, output=output)
    from hwsim.files import write_bytes
    from hwsim.report.training import training_table
    from hwsim.training import Settings
    from hwsim.training.train import train as run
    from hwsim.training.work import work_folder

    settings = Settings(rate=rate, batch=batch, weight_decay=weight_decay, patience=patience, seed=seed)
    with work_folder(work or Path(f"{output}.work")) as folder, reporting() as reporter:
        start = "fresh" if fresh else "given"
        outcome = run(model, data=data, epochs=epochs, settings=settings, start=start, work=folder, reporter=reporter)
        write_bytes(output, outcome.model.SerializeToString(deterministic=True))
    deliver(training_table(outcome.report), outcome.report.to_json(), json_file)
