"""A compression as a rich table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from compiler.compress.storage import storage_totals

if TYPE_CHECKING:
    from hwsim.compression.api import Compression

__all__ = ["compression_table", "storage_table"]


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


def storage_table(compression: Compression) -> Table:
    """Deep Compression's table: what is kept, bits of a weight and of an index before and after Huffman, ratios.

    Ratios are to float32 with nothing pruned, codebooks and code tables included; the last line is the whole network.
    """
    table = Table(title="storage", title_justify="left", box=SIMPLE_HEAD, caption_justify="left")
    table.add_column("layer", overflow="fold", min_width=6)
    names = (
        "weights",
        "kept\n(P)",
        "weight\nbits",
        "weight\nbits (H)",
        "index\nbits",
        "index\nbits (H)",
        "P+Q",
        "P+Q+H",
    )
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for s in compression.storage:
        bits = (f"{s.code_bits}", f"{s.code_bits_huffman:.1f}", f"{s.index_bits}", f"{s.index_bits_huffman:.1f}")
        kept = f"{s.kept / s.weights:.0%}"
        table.add_row(Text(s.name), f"{s.weights:,}", kept, *bits, f"{s.ratio_pq:.1f}x", f"{s.ratio_pqh:.1f}x")
    table.add_section()
    total = storage_totals(compression.storage)
    share = f"{total.kept / total.weights:.0%}"
    ratios = (f"{total.ratio_pq:.1f}x", f"{total.ratio_pqh:.1f}x")
    table.add_row("total", f"{total.weights:,}", share, "", "", "", "", *ratios, style="bold")
    return table


def _accuracy(compression: Compression) -> str:
    line = f"accuracy on validation data {compression.accuracy_before:.2%} before, {compression.accuracy:.2%} now"
    if compression.test is None or compression.test_before is None:
        return line
    return f"{line}; on test data {compression.test_before:.2%} before, {compression.test:.2%} now"
