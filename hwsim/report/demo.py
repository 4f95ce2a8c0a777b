"""The demo's screen: what was read, how well, and how exactly, in about forty lines of a hundred columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hwsim.report.names import short_names
from hwsim.report.tables import beside, zero

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hwsim.demo import Accuracy, DemoResult, Sample

__all__ = ["demo_screen"]

_SHOWN = 9
"""Images in the strip."""
_INK = 0.45
"""How dark a pixel is drawn as ink."""
_HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def demo_screen(result: DemoResult) -> RenderableType:
    """Images and answers, accuracies, layers, and the verdict."""
    estimate = result.estimate
    title = Text.assemble(
        (estimate.model, "bold"), " on ", (estimate.arch, "bold"), f": {result.rtl_accuracy.images} test images in RTL"
    )
    return Group(
        title,
        Padding(_strip(result.samples[:_SHOWN]), (0, 0, 1, 2)),
        _accuracies(result),
        _layers(result),
        _facts(result),
        _verdict(result),
    )


def _strip(samples: tuple[Sample, ...]) -> Table:
    """Images side by side, two rows of pixels in a line of text, and what the hardware took each for."""
    strip = Table.grid(padding=(0, 2, 0, 0))
    strip.add_row(*(Text(_picture(sample.pixels)) for sample in samples))
    answers = (
        Text(
            f"reads {s.rtl}" + ("" if s.rtl == s.label else f" (is {s.label})"), "green" if s.rtl == s.label else "red"
        )
        for s in samples
    )
    strip.add_row(*answers)
    return strip


def _picture(pixels: tuple[tuple[float, ...], ...]) -> str:
    lines = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        lines.append("".join(_HALVES[a > _INK, b > _INK] for a, b in zip(upper, lower, strict=True)))
    return "\n".join(lines)


def _accuracies(result: DemoResult) -> Table:
    table = Table.grid(padding=(0, 3, 0, 0))
    for justify in ("left", "right", "left"):
        table.add_column(justify=justify)
    for name, accuracy in (
        ("float network, as trained", result.float_accuracy),
        ("int8 reference interpreter", result.int8_accuracy),
        ("int8 reference, images run in RTL", result.int8_sample),
        ("RTL, the same images", result.rtl_accuracy),
    ):
        table.add_row(f"  {name}", Text(f"{accuracy.share:.1%}", "bold"), _count(accuracy))
    return table


def _count(accuracy: Accuracy) -> str:
    return f"{accuracy.right} of {accuracy.images} right"


def _layers(result: DemoResult) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1, 0, 1))
    table.add_column("layer", no_wrap=True)
    table.add_column("operator", no_wrap=True)
    for name in (
        "MACs",
        "RTL\ncycles",
        "predicted\ncycles",
        "array\nuse",
        "events\ndiffering",
        "bytes\ncompared",
        "bytes\ndiffering",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    names = short_names([layer.name for layer in result.layers])
    for name, layer in zip(names, result.layers, strict=True):
        table.add_row(
            Text(name),
            Text(layer.op),
            f"{layer.macs:,}",
            f"{layer.rtl_cycles:,}",
            beside(layer.model_cycles, layer.rtl_cycles),
            f"{layer.utilization:.0%}",
            zero(layer.counters_differing),
            f"{layer.compared_bytes:,}",
            zero(layer.mismatched_bytes),
        )
    table.add_section()
    table.add_row(
        "network",
        f"{result.rtl_cycles / result.estimate.clock_mhz:,.1f} µs",
        f"{result.estimate.macs:,}",
        f"{result.rtl_cycles:,}",
        beside(result.model_cycles, result.rtl_cycles),
        f"{result.estimate.utilization:.0%}",
        zero(sum(layer.counters_differing for layer in result.layers)),
        f"{result.compared_bytes:,}",
        zero(result.mismatched_bytes),
        style="bold",
    )
    return table


def _facts(result: DemoResult) -> Table:
    facts = Table.grid(padding=(0, 3, 0, 0))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    built = f"compiled in {result.build_s:.1f} s" if result.build_s else "compiled before"
    speed = result.simulated_cycles / max(result.wall_s, 1e-9) / 1e3
    facts.add_row(
        "  Verilog",
        Text(f"{result.verilog_lines:,} lines, {result.verilog_bytes / 1024:,.0f} KiB: {_home(str(result.verilog))}"),
    )
    facts.add_row(
        f"  {result.simulator}",
        f"{built}; {result.simulated_cycles:,} cycles in {result.wall_s:.1f} s ({speed:,.0f} k cycles/s)",
    )
    if result.estimate.host_operators:
        facts.add_row("  on the host", Text(", ".join(result.estimate.host_operators)))
    return facts


def _home(path: str) -> str:
    from pathlib import Path

    home = str(Path.home())
    return "~" + path.removeprefix(home) if home != "/" and path.startswith(home + "/") else path


def _verdict(result: DemoResult) -> Text:
    images = result.rtl_accuracy.images
    if result.agrees:
        return Text(
            f"\n✓ {images} images, {result.runs} runs: every byte, every cycle and every event is as predicted.",
            "bold green",
        )
    return Text(
        f"\n✗ {result.mismatched_bytes:,} bytes and {result.answers_differing} of {images} answers differ; "
        f"{result.runs - result.runs_agreeing} of {result.runs} runs took other cycles or events than predicted.",
        "bold red",
    )
