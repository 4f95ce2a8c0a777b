"""``hwsim compress``: prune, quantise, share and factorise, as a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli.command import JsonFile, Model, check_json, deliver, reporting

__all__ = ["compress"]


def compress(
    model: Model,
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A YAML file of steps (see the handbook).")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.onnx", help="Where the result goes.")],
    data: Annotated[
        str, typer.Option(metavar="digits|FILE.npz", help="Inputs x [n, ...] and classes y [n], to prune and train by.")
    ] = "digits",
    arch: Annotated[
        str | None, typer.Option("--arch", "-a", metavar="ARCH", help="Whose energy the score `energy` goes by.")
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep the state of training there: what was killed goes on where it was."),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Compress a float network by a recipe; the result is ONNX with quantised weights, for any tool and for `estimate`.

    Steps are prune, quantise, share, low_rank, finetune and store.
    """
    check_json(json_file)
    from hwsim.files import check_output

    check_output(output)
    if checkpoints is not None:
        checkpoints.mkdir(parents=True, exist_ok=True)

    from rich.console import Group

    import hwsim
    from hwsim.report.compression import compression_table, storage_table

    with reporting() as reporter:
        result = hwsim.compress(
            model, recipe, data=data, output=output, arch=arch, checkpoints=checkpoints, reporter=reporter
        )
    tables = [compression_table(result), *([storage_table(result)] if result.storage else [])]
    deliver(Group(*tables), result.to_json(), json_file)
