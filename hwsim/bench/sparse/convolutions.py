"""Pruned AlexNet convolutions: our engine's cycles beside those of a model that knows densities only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.bench.page import table
from hwsim.bench.sparse.layers import Pruned, balanced_known, configuration, on_engine
from workloads import pruned_alexnet

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["lines"]


def lines() -> Iterator[str]:
    """Each convolution: dense, by expectation, and as it runs."""
    yield (
        "Deep Compression's densities of weights, Han et al. 2015's of activations, on 64 PEs. *Expected* is MACs "
        "times both densities over PEs: what a model without queues, padding and imbalance (Sparseloop's) takes such "
        "a layer to cost. Ours is the engine's exact timing of im2col windows of a generated image over the "
        "stationary compressed weights, requantisation apart. A PE has 1.5 to 6 filters: a column's few entries fall "
        "unevenly, and a PE that has none idles. conv1 has filters for half of the PEs only in its second row, which "
        "alone is 1.33. What the expectation does not know either is the border: zeros around the image are in its "
        "MACs, and are never broadcast here."
    )
    yield ""
    config = configuration()
    rows = []
    for conv in pruned_alexnet.LAYERS:
        windows = pruned_alexnet.active_windows(conv)
        # Its own windows are its calibration: over all of them the share of each element is no longer chance.
        layer = Pruned(conv.name, pruned_alexnet.kept_weights(conv), windows, windows)
        together = conv.kernel * conv.channels
        plain = on_engine(layer, config, together=together)
        even = on_engine(layer, config, balanced_known(layer, config), together=together)
        dense = conv.macs / config.sparse.pes
        expected = dense * conv.weights * conv.activations
        rows.append(
            (conv.name, f"{conv.weights:.0%}", f"{conv.activations:.0%}", f"{dense:,.0f}", f"{expected:,.0f}",
             f"{plain.cycles:,}", f"{even.cycles:,}", f"{plain.cycles / expected:.2f}", f"{even.cycles / expected:.2f}",
             f"{even.padding / even.entries:.1%}")
        )  # fmt: skip
    columns = (
        "layer", "weights", "activations", "dense cycles", "expected", "interleaved", "balanced",
        "interleaved / expected", "balanced / expected", "padding",
    )  # fmt: skip
    yield from table(columns, rows)
