"""From a compressed float graph to the quantised model that is written to a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.calibrations import CALIBRATIONS
from compiler.compress.layers import weight_layers
from compiler.compress.masks import Masks
from compiler.frontend.write import to_onnx
from compiler.ir import Graph
from compiler.ir.formats import FORMATS_KEY
from compiler.passes.affine_to_depthwise import AffineToDepthwise
from compiler.passes.base import Pass, run_passes
from compiler.passes.dead_code import RemoveDeadCode
from compiler.passes.fold_batch_norm import FoldBatchNorm
from compiler.passes.fold_normalisation import FoldNormalisation
from compiler.passes.fold_scale import FoldScale
from compiler.passes.fuse_activation import FuseActivation
from compiler.quantize.calibrate import Range
from compiler.quantize.post_training import quantize_graph
from compiler.quantize.scales import IntegerWeights

if TYPE_CHECKING:
    import onnx

    from compiler.compress.calibrations import Calibration
    from compiler.compress.quantisers.base import Codes
    from compiler.compress.trainer import Trainer

__all__ = ["activation_ranges", "fold", "quantised_model"]

FOLDING: tuple[Pass, ...] = (FoldScale(), FoldNormalisation(), FoldBatchNorm(), AffineToDepthwise(), RemoveDeadCode())
ACTIVATION_BITS = 8
MOST_VALUES = 2**27
"""Of activations, in memory at once: half a gigabyte."""


def fold(graph: Graph, masks: Masks) -> tuple[Graph, Masks]:
    """``graph`` with batch norms folded into the layers, and the masks of the weights that they have become.

    Quantisers see the weights that will be stored.
    """
    before = {layer.name: layer.weights for layer in weight_layers(graph)}
    folded = masks.apply(graph)
    run_passes(folded, FOLDING)
    kept = {
        layer.weights: masks[before[layer.name]] for layer in weight_layers(folded) if before.get(layer.name) in masks
    }
    return folded, Masks(kept)


def activation_ranges(graph: Graph, trainer: Trainer, samples: int, calibration: str = "max") -> dict[str, Range]:
    """The range of every float activation over training samples, by a registered calibration."""
    chosen: Calibration = CALIBRATIONS[calibration]()
    ranges: dict[str, Range] = {}
    for names in _batches(graph, samples):
        found = trainer.activations(graph, samples, names)
        ranges |= {name: chosen.limits(values.reshape(-1), ACTIVATION_BITS) for name, values in found.items()}
    return ranges


def _batches(graph: Graph, samples: int) -> Iterator[list[str]]:
    """The float activations, so many at a time as memory has room for."""
    batch: list[str] = []
    room = MOST_VALUES
    for tensor in graph.tensors():
        if tensor.dtype.kind != "f":
            continue
        if batch and tensor.size * samples > room:
            yield batch
            batch, room = [], MOST_VALUES
        batch.append(tensor.name)
        room -= tensor.size * samples
    if batch:
        yield batch


def quantised_model(
    graph: Graph, ranges: Mapping[str, Range], codes: Mapping[str, Codes], *, about: Iterable[tuple[str, str]] = ()
) -> onnx.ModelProto:
    """``graph`` (folded) as ONNX with quantise and dequantise nodes; ``codes`` are the weights of layers, by tensor.

    Layers without codes get symmetric int8 weights with a scale per filter. ``about`` goes into the file's metadata.
    """
    formats = {
        layer.name: {"name": f.name, "bits": f.bits, "arithmetic": f.arithmetic}
        for layer in weight_layers(graph)
        if layer.weights in codes and (f := codes[layer.weights].format)
    }
    quantised = graph.copy()
    run_passes(quantised, (FuseActivation(), RemoveDeadCode()))
    stored = {
        name: IntegerWeights(c.values, c.scale, c.zero_point.astype(np.int32), c.axis) for name, c in codes.items()
    }
    quantize_graph(quantised, ranges, stored)
    RemoveDeadCode()(quantised)
    quantised.verify()
    metadata = {**dict(about), FORMATS_KEY: json.dumps(formats)}
    return to_onnx(quantised, metadata=metadata)
