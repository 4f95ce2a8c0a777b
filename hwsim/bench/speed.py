"""How fast an estimate is: the whole process beside other tools' on the same network and array, and the model alone."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.mapping.planner import assumed_density, plan_graph
from hwsim.analytic import analytic_cycles
from hwsim.bench.measure import MeasuredError, hwsim_process
from hwsim.bench.page import table
from hwsim.bench.rivals import (
    MODEL,
    SCALESIM,
    SCALESIM_LIMIT_S,
    ZIGZAG,
    ZIGZAG_LIMIT_S,
    cycles_of,
    run_scalesim,
    run_zigzag,
    with_weights,
)
from hwsim.network import load_network
from rtl.config import load_arch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hwsim.bench.measure import Spent
    from hwsim.bench.tools import Tool

__all__ = ["against_others", "of_estimates"]

ARCH = "dense-32x32"
ESTIMATES = (("digits-cnn", "dense-16x16"), ("gemm-512x512x512", "dense-16x16"), (MODEL, ARCH), ("vgg19", ARCH))
REQUIRED = 50
"""Times less CPU than either tool that an estimate may take."""
_REPEATS = 3
_EVALUATIONS = 20


def against_others() -> Iterator[str]:
    """Lines of the section: ResNet-50, from a file to a table of its layers."""
    with tempfile.TemporaryDirectory(prefix="hwsim-bench-") as name:
        folder = Path(name)
        file = folder / f"{MODEL}.onnx"
        file.write_bytes(with_weights(MODEL).SerializeToString(deterministic=True))
        ours = {
            fidelity: _best(["estimate", MODEL, "--arch", ARCH, "--fidelity", fidelity], folder)
            for fidelity in ("analytic", "cycle")
        }
        command = ["estimate", str(file), "--arch", ARCH, "--fidelity", "analytic", "--calibration", "nominal"]
        from_weights = _best(command, folder)
        others: list[tuple[Tool, Spent | str]] = [
            (ZIGZAG, _attempt(lambda: run_zigzag(file, folder))),
            (SCALESIM, _attempt(lambda: run_scalesim(folder))),
        ]
    base = ours["analytic"][0].cpu_s
    yield (
        f"{MODEL} on a 32 x 32 array, the whole process from file to table of layers: user and system time of it and "
        f"of its children; ours the best of {_REPEATS}. The others in virtual environments of their own, once, stopped"
        f" after {ZIGZAG_LIMIT_S} and {SCALESIM_LIMIT_S} s. Required: at least {REQUIRED} times less than either."
    )
    yield ""
    rows = [_ours(f"hwsim, `{fidelity}`", *measured, base) for fidelity, measured in ours.items()]
    rows.append(_ours("hwsim, `analytic`, every weight in the file (102 MB)", *from_weights, base))
    rows += [_other(tool, spent, base) for tool, spent in others]
    yield from table(("", "CPU s", "peak MiB", "cycles it says", "CPU, hwsim `analytic` = 1"), rows)
    yield ""
    yield (
        "ZigZag's array is its own `tpu_like`, whose single DRAM port of 8 bytes a cycle, for reads and writes, binds"
        " more layers than our two of 32; its cycles count convolutions and the classifier only. SCALE-Sim's cycles "
        "are those of its array, with memory out of the way (see below); both read layers, not programs."
    )


def of_estimates() -> Iterator[str]:
    """Lines of the section: the whole process, and the analytic model alone."""
    yield "The whole process, from file to table; required for resnet50: below 1.5 CPU s and 250 MB."
    yield ""
    rows = []
    with tempfile.TemporaryDirectory(prefix="hwsim-bench-") as name:
        for model, arch in ESTIMATES:
            for fidelity in ("analytic", "cycle"):
                spent, _ = _best(["estimate", model, "--arch", arch, "--fidelity", fidelity], Path(name))
                rows.append(
                    (model, arch, f"`{fidelity}`", f"{spent.cpu_s:.2f}", f"{spent.wall_s:.2f}", f"{spent.peak_mib:.0f}")
                )
    yield from table(("network", "architecture", "fidelity", "CPU s", "wall s", "peak MiB"), rows)
    help_page = min((hwsim_process(["--help"]) for _ in range(_REPEATS)), key=lambda spent: spent.wall_s)
    yield ""
    yield (
        f"`hwsim --help` answers in {help_page.wall_s:.2f} s (required: 0.3 s). With {MODEL} loaded and mapped, "
        f"`analytic` evaluates its layers in {_evaluation_ms():.1f} ms (required: 50 ms), the median of "
        f"{_EVALUATIONS}."
    )


def _best(arguments: list[str], folder: Path) -> tuple[Spent, int]:
    """The run that took least CPU, and the cycles that it gave."""
    result = folder / "result.json"
    runs = [hwsim_process([*arguments, "--json", str(result)]) for _ in range(_REPEATS)]
    return min(runs, key=lambda spent: spent.cpu_s), json.loads(result.read_text())["totals"]["cycles"]


def _attempt(run: Callable[[], Spent]) -> Spent | str:
    try:
        return run()
    except MeasuredError as error:
        return str(error)


def _ours(name: str, spent: Spent, cycles: int, base: float) -> tuple[str, ...]:
    return name, f"{spent.cpu_s:.2f}", f"{spent.peak_mib:.0f}", f"{cycles:,}", f"{spent.cpu_s / base:.1f}"


def _other(tool: Tool, spent: Spent | str, base: float) -> tuple[str, ...]:
    name = f"{tool.name} {tool.version}"
    if isinstance(spent, str):
        return name, f"not measured: {spent}", "", "", ""
    bound = "" if spent.finished else "> "
    cycles = cycles_of(spent)
    shown = "" if cycles is None else f"{cycles:,}"
    return name, f"{bound}{spent.cpu_s:.0f}", f"{spent.peak_mib:.0f}", shown, f"{bound}{spent.cpu_s / base:.0f}"


def _evaluation_ms() -> float:
    config = load_arch(ARCH)
    graph = load_network(MODEL).graph
    plans, density = plan_graph(graph, config), assumed_density(graph)
    taken = []
    for _ in range(_EVALUATIONS):
        start = time.process_time()
        analytic_cycles(plans, config, density)
        taken.append((time.process_time() - start) * 1e3)
    return sorted(taken)[_EVALUATIONS // 2]
