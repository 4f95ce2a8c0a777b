"""Run a cocotb module on a build."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import Icarus, Runner, Verilator

from hwsim.errors import SimulationError
from hwsim.simulation.session import PROGRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hwsim.simulation.build import Build

__all__ = ["run"]

POLL_SECONDS = 0.2
LOG = "simulation.log"
_REASON = re.compile(r"\b(?:\w*Error|\w*Exception|SystemExit|%Error)\b.*|ERROR: .*")


def run(
    build: Build,
    module: str,
    folder: Path,
    *,
    plusargs: Mapping[str, str | int] | None = None,
    environment: Mapping[str, str] | None = None,
    seed: int = 0,
    waves: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Run every test of the cocotb ``module``, in ``folder``, which keeps the log.

    Raises:
        SimulationError: a test failed, or the simulator did not get as far as running one.

    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / LOG
    arguments = [f"+{name}={value}" for name, value in (plusargs or {}).items()]
    if waves is not None:
        arguments.append(f"+waves={waves.resolve()}")
    runner = _runner(build)
    try:
        with _watched(folder / PROGRESS, progress):
            results = runner.test(
                test_module=module,
                hdl_toplevel=build.top,
                hdl_toplevel_lang="verilog",
                build_dir=build.folder,
                test_dir=folder,
                results_xml=str(folder.resolve() / "results.xml"),
                seed=seed,
                plusargs=arguments,
                extra_env=_environment(environment or {}),
                log_file=log,
                waves=build.simulator == "icarus" and build.waves == "fst",
            )
        # Outside pytest the runner returns without looking at the results; inside, it raises SystemExit.
        ran, failed = get_results(results)
    except (SystemExit, RuntimeError) as error:
        raise SimulationError(f"{_failure(log)} (seed {seed}); see {log}") from error
    if failed or not ran:
        raise SimulationError(f"{_failure(log)} (seed {seed}); see {log}")


def _runner(build: Build) -> Runner:
    if build.simulator == "icarus":
        return _IcarusRunner(build.waves)
    return _VerilatorRunner()


class _FromHere(Runner):
    """The simulator runs in another folder, where a relative entry of ``sys.path`` would be another one."""

    def _set_env_test(self) -> None:
        super()._set_env_test()
        self.env["PYTHONPATH"] = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)


class _VerilatorRunner(_FromHere, Verilator):
    """cocotb's, from here."""


class _IcarusRunner(_FromHere, Icarus):
    """cocotb's runner writes FST or nothing; this one can write VCD."""

    def __init__(self, waves: str | None) -> None:
        super().__init__()
        self._format = waves

    def _test_command(self) -> list[list[str]]:
        wanted = f"-{self._format or 'none'}"
        return [
            [wanted if word in {"-fst", "-none"} else word for word in command] for command in super()._test_command()
        ]


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    return {"COCOTB_ANSI_OUTPUT": "0", "PYTHONDONTWRITEBYTECODE": "1", **extra}


@contextlib.contextmanager
def _watched(path: Path, progress: Callable[[int], None] | None) -> Iterator[None]:
    """Report the number that the simulation keeps in ``path`` while it runs."""
    if progress is None:
        yield
        return
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(POLL_SECONDS):
            # Not there yet, or caught between truncation and writing: the next look will do.
            text = path.read_text() if path.exists() else ""
            if text.isdigit():
                progress(int(text))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


def _failure(log: Path) -> str:
    """The line of the log that says what went wrong."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    for line in reversed(lines):
        if match := _REASON.search(line):
            return f"simulation failed: {match.group(0).strip()}"
    return "the simulator ended without running the bench"
