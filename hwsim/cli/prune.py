"""``hwsim prune``: energy-aware pruning for one accelerator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from hwsim.cli.command import Architecture, JsonFile, Model, deliver, reporting
from hwsim.cli.reports import HtmlFile, check_reports
from hwsim.cli.training_options import Data, Epochs, Output, Rate, Seed, WeightDecay, Work

__all__ = ["prune"]

Goal = Annotated[str, typer.Option(metavar="energy|latency|edp", help="What to make small on ARCH.")]
MethodName = Annotated[
    str,
    typer.Option(
        "--method", metavar="energy-aware|magnitude|magnitude-uniform", help="By cost, or as before there were models."
    ),
]
MaxLoss = Annotated[float, typer.Option(metavar="POINTS", help="Accuracy that may be lost, in points of 100.")]
Rounds = Annotated[int, typer.Option(help="Of pruning and fine-tuning, at most.")]


def prune(
    model: Model,
    output: Output,
    arch: Architecture = "dense-16x16",
    objective: Goal = "energy",
    method: MethodName = "energy-aware",
    data: Data = "digits",
    max_loss: MaxLoss = 1.0,
    epochs: Epochs = 4,
    rounds: Rounds = 16,
    rate: Rate = 1e-3,
    weight_decay: WeightDecay = 0.0,
    seed: Seed = 0,
    work: Work = None,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Remove what costs most on ARCH and matters least, until accuracy falls; killed and run again, it goes on."""
    check_reports(json=json_file, output=output, html=html_file)
    from hwsim.codesign.cost import Objective
    from hwsim.codesign.prune import prune as run
    from hwsim.codesign.settings import Method, PruneSettings
    from hwsim.files import write_bytes
    from hwsim.report.pruning import pruning_page, pruning_table
    from hwsim.training import Settings
    from hwsim.training.work import work_folder

    # Checked by the record itself.
    settings = PruneSettings(
        objective=cast("Objective", objective),
        method=cast("Method", method),
        max_loss=max_loss / 100,
        epochs=epochs,
        rounds=rounds,
    )
    tuning = Settings(rate=rate, weight_decay=weight_decay, seed=seed)
    with work_folder(work or Path(f"{output}.work")) as folder, reporting() as reporter:
        outcome = run(model, arch, data=data, settings=settings, tuning=tuning, work=folder, reporter=reporter)
        write_bytes(output, outcome.model.SerializeToString(deterministic=True))
    if html_file is not None:
        from hwsim.files import write_text

        write_text(html_file, pruning_page(outcome.report))
    deliver(pruning_table(outcome.report), outcome.report.to_json(), json_file)
