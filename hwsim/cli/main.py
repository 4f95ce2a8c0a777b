"""``hwsim``: the commands, and what becomes of their errors."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hwsim.cli.archs import archs
from hwsim.cli.characterize import characterize
from hwsim.cli.command import command
from hwsim.cli.compress import compress
from hwsim.cli.demo import demo
from hwsim.cli.doctor import doctor
from hwsim.cli.estimate import estimate
from hwsim.cli.fpga import fpga
from hwsim.cli.prune import prune
from hwsim.cli.simulate import simulate
from hwsim.cli.sweep import sweep
from hwsim.cli.synthesize import synthesize
from hwsim.cli.train import train
from hwsim.cli.verilog import verilog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["app", "main"]

OK, FAILED, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

_COLLECT_AFTER = 100_000
"""Objects made between two collections of the youngest. Graphs and programs are many small objects that stay: by
Python's 700 the collector walks them again and again, a tenth of an estimate's time."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_COMMANDS = (
    *(estimate, simulate, train, prune, compress, sweep),
    *(verilog, synthesize, fpga, characterize, demo, archs, doctor),
)
for function in _COMMANDS:
    app.command()(command(function))

# Typer brings its own click or uses the installed one, as its version goes; this is the base of either's errors.
UsageError = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """What a neural network costs on an accelerator: cycles per layer, and the RTL that proves them."""
    if version:
        from hwsim import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(BAD_INPUT)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 on success, 1 on a run that did not pass, 2 on bad input, 130 and 143 when ended.

    130 is Ctrl-C, 143 SIGTERM, upon which a command cleans up behind it all the same.

    Errors that a user can mend are one line on stderr; anything else is a fault of hwsim, and shows its traceback.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
    with _sigterm_as_ctrl_c() as terminated:
        try:
            status = app(args=given, prog_name="hwsim", standalone_mode=False)
        except (typer.Abort, KeyboardInterrupt):
            status = INTERRUPTED
        except Exception as error:
            explained = _explain(error)
            if "--debug" in given or explained is None:
                raise
            status = _fail(*explained)
    if status == INTERRUPTED:
        # Typer returns this too, and says nothing.
        status = _fail("terminated", TERMINATED) if terminated else _fail("interrupted", INTERRUPTED)
    raise SystemExit(status or OK)


@contextlib.contextmanager
def _sigterm_as_ctrl_c() -> Iterator[list[int]]:
    """Have SIGTERM end a command as Ctrl-C does, so that it takes along what it has started; the signals that came."""
    came: list[int] = []

    def end(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        # Only the main thread can say what a signal does.
        yield came
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail(message: str, status: int) -> int:
    # One line, whatever the message is: scripts read it.
    typer.secho(f"hwsim: {' '.join(message.split())}", fg="red", err=True)
    return status


def _explain(error: Exception) -> tuple[str, int] | None:
    """What to say of an error, and the exit status; None if it is no user's fault."""
    if isinstance(error, UsageError):
        return cast("typer.BadParameter", error).format_message(), BAD_INPUT
    # Late, like all of our imports: a command that goes well needs none of these.
    from hwsim.errors import InputError, SimulationError, ToolError

    if isinstance(error, SimulationError):
        return str(error), FAILED
    if isinstance(error, (InputError, ToolError)):
        return str(error), BAD_INPUT
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}", BAD_INPUT

    from compiler.errors import ModelError
    from rtl.config import ConfigError
    from workloads.registry import WorkloadError

    return (str(error), BAD_INPUT) if isinstance(error, (ConfigError, ModelError, WorkloadError)) else None


if __name__ == "__main__":
    main()
