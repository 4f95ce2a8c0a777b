"""The one call that turns a model file into a graph that can be mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.errors import ModelError
from compiler.frontend.build import import_model, path_of
from compiler.ir import Graph, Node
from compiler.lower import lower
from compiler.passes.affine_to_depthwise import AffineToDepthwise
from compiler.passes.base import Pass, run_passes
from compiler.passes.dead_code import RemoveDeadCode
from compiler.passes.explicit_padding import ExplicitPadding
from compiler.passes.fold_batch_norm import FoldBatchNorm
from compiler.passes.fold_constants import FoldConstants
from compiler.passes.fold_normalisation import FoldNormalisation
from compiler.passes.fold_scale import FoldScale
from compiler.passes.fully_connected import FormFullyConnected
from compiler.passes.fuse_activation import FuseActivation
from compiler.passes.fuse_pad import FusePad
from compiler.passes.fuse_residual import FuseResidual
from compiler.passes.identities import RemoveIdentities
from compiler.passes.spatial_mean import FormGlobalAverage
from compiler.passes.transpose_weights import TransposeWeights
from compiler.passes.unroll_recurrent import UnrollRecurrent
from compiler.quantize import observe, quantize_graph
from compiler.quantize.calibrate import nominal
from compiler.quantize.samples import NOMINAL_NOTE, RANDOM_NOTE, Calibration, calibration_samples

if TYPE_CHECKING:
    from compiler.frontend.build import Source

__all__ = ["INTEGER_PASSES", "ONNX_PASSES", "is_quantised", "load"]

ONNX_PASSES: tuple[Pass, ...] = (
    FoldConstants(),
    RemoveIdentities(),
    UnrollRecurrent(),
    ExplicitPadding(),
    FusePad(),
    TransposeWeights(),
    FormFullyConnected(),
    FormGlobalAverage(),
    FoldScale(),
    FoldNormalisation(),
    FoldBatchNorm(),
    AffineToDepthwise(),
    FuseActivation(),
    RemoveDeadCode(),
)
INTEGER_PASSES: tuple[Pass, ...] = (FuseResidual(), RemoveDeadCode())


def load(
    source: Source,
    *,
    calibration: Calibration | None = None,
    percentile: float = 100.0,
) -> Graph:
    """The integer graph of a model, ready for mapping.

    Args:
        source: an ONNX file, or a model in memory, with or without its large weights in a container beside it:
            quantised (QDQ or QLinear operators), or float with ``calibration``.
        calibration: for a float model, inputs ``[n, ...]`` in its input's layout (a mapping of names to arrays if it
            has several), from which the ranges of its activations are taken; ``"random"``, for inputs made up; or
            ``"nominal"``, for ranges made up, which is fast and good for cost alone. The graph's ``notes`` say which of
            these two. A quantised model's own scales are kept, and ``calibration`` must be None.
        percentile: the share of each activation's values, in percent, that its range must cover.

    Raises:
        ModelError: one line that names the file, the node, what is wrong and what to do.

    """
    graph = import_model(source)
    try:
        integer = _integer(graph, calibration, percentile)
    except ModelError as error:
        raise ModelError(f"{path_of(source)}: {error}") from error
    run_passes(integer, INTEGER_PASSES)
    return integer


def _integer(graph: Graph, calibration: Calibration | None, percentile: float) -> Graph:
    run_passes(graph, ONNX_PASSES)
    if is_quantised(graph):
        if calibration is not None:
            raise ModelError("the model is quantised already and keeps its scales; leave out the calibration data")
        return lower(graph)
    if calibration is None:
        raise ModelError(
            "is a float model: quantising it needs calibration data, typical inputs [n, ...] "
            "(or 'nominal', where only cycles matter)"
        )
    if not 0 < percentile <= 100:
        raise ModelError(f"percentile must be in (0, 100], not {percentile}")
    if isinstance(calibration, str) and calibration == "nominal":
        quantize_graph(graph, nominal(graph))
    else:
        quantize_graph(graph, observe(graph, calibration_samples(graph, calibration), percentile=percentile))
    graph.verify()
    if isinstance(calibration, str):
        graph.notes = (*graph.notes, NOMINAL_NOTE if calibration == "nominal" else RANDOM_NOTE)
    return lower(graph)


def is_quantised(graph: Graph) -> bool:
    """Whether a model carries its own quantisation."""
    return bool(graph.select(Node, "QuantizeLinear", "DequantizeLinear"))
