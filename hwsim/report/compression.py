"""A compression as a rich table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from hwsim.compression.api import Compression

__all__ = ["compression_table"]


def compression_table(compression: Compression) -> Table:
    """What is left of each layer, and what accuracy that costs."""
    title = f"{compression.name} after {compression.recipe.name}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, caption_justify="left")
    table.add_column("layer", overflow="fold")
    table.add_column("shape", overflow="fold")
    for name in ("weights", "kept", "bits", "values"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("format", overflow="fold")
    for layer in compression.layers:
        shape = " x ".join(map(str, layer.shape))
        cells = (f"{layer.weights:,}", f"{layer.density:.1%}", str(layer.bits), str(layer.values))
        table.add_row(Text(layer.name), shape, *cells, layer.format)
    table.add_section()
    share = compression.kept / compression.weights_before if compression.weights_before else 0.0
    cells = ("total", f"of {compression.weights_before:,}", f"{compression.weights:,}", f"{share:.1%}", "", "", "")
    table.add_row(*cells, style="bold")
    table.caption = Text("\n".join([*compression.log, _accuracy(compression)]))
    return table


def _accuracy(compression: Compression) -> str:
    line = f"accuracy on validation data {compression.accuracy_before:.2%} before, {compression.accuracy:.2%} now"
    if compression.test is None or compression.test_before is None:
        return line
    return f"{line}; on test data {compression.test_before:.2%} before, {compression.test:.2%} now"
