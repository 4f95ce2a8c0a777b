"""What the commands that train share: data, and how to tune."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Batch", "Data", "Epochs", "Output", "Rate", "Seed", "WeightDecay", "Work"]

Data = Annotated[
    str, typer.Option("--data", "-d", metavar="digits|FILE.npz", help="Inputs x \\[n, ...] and classes y \\[n].")
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="OUT.onnx", help="The network to write.")]
Epochs = Annotated[int, typer.Option(help="Passes over the training data, in each round.")]
Rate = Annotated[float, typer.Option(help="Learning rate at the start.")]
Batch = Annotated[int, typer.Option(help="Samples in a step.")]
WeightDecay = Annotated[float, typer.Option(help="Of matrices and kernels.")]
Seed = Annotated[int, typer.Option(help="Of the order of samples, of splits, and of fresh weights.")]
Work = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where work in progress is kept, and looked for; beside OUT.onnx without it."),
]
