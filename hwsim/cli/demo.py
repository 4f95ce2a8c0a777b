"""``hwsim demo``: the whole chain on a real network, in one command."""

from __future__ import annotations

from typing import Annotated

import typer

from hwsim.cli.command import Architecture, JsonFile, SimulatorOption, check_json, deliver, reporting

__all__ = ["demo"]


def demo(
    arch: Architecture = "dense-8x8",
    images: Annotated[int, typer.Option(min=1, max=200, help="How many images to run in RTL.")] = 20,
    simulator: SimulatorOption = "verilator",
    seed: Annotated[int, typer.Option(help="Of the choice of images.")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Compile a network that reads handwritten digits, run all of it in RTL, and compare bytes, cycles and accuracy."""
    check_json(json_file)

    from hwsim.demo import run_demo
    from hwsim.report.demo import demo_screen

    with reporting() as reporter:
        result = run_demo(arch, images=images, simulator=simulator, seed=seed, reporter=reporter)
    deliver(demo_screen(result), result.to_json(), json_file)
    if not result.agrees:
        raise typer.Exit(1)
