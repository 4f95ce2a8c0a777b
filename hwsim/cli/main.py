"""``hwsim``: the commands, and what becomes of their errors."""

from __future__ import annotations

import errno
import sys
from dataclasses import dataclass

import click
import typer

from hwsim.cli.archs import archs
from hwsim.cli.demo import demo
from hwsim.cli.doctor import doctor
from hwsim.cli.estimate import estimate
from hwsim.cli.simulate import simulate
from hwsim.cli.verilog import verilog

__all__ = ["app", "main"]

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@dataclass
class Settings:
    """What the options that every command has were set to."""

    debug: bool = False


class Command(typer.core.TyperCommand):
    """A command with ``--debug``."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # pyright: ignore[reportArgumentType]
        self.params.append(
            click.Option(["--debug"], is_flag=True, expose_value=False, callback=_set_debug, help="Show tracebacks.")
        )


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),  # noqa: FBT003
) -> None:
    """What a neural network costs on an accelerator: cycles and energy per layer, and the RTL to prove it."""
    if version:
        from hwsim import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(BAD_INPUT)
