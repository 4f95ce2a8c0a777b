"""The int8 grids of a float network's activations, for quantisation-aware training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.frontend.load import ONNX_PASSES
from compiler.ir import Graph, Node, QuantParams
from compiler.passes.base import run_passes
from compiler.quantize import observe, quantize_graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["activation_grid"]


def activation_grid(graph: Graph, samples: NDArray) -> dict[str, QuantParams]:
    """The grid of every activation that the accelerator holds in int8, by its name in ``graph``.

    It is what post-training quantisation of ``graph`` with the same ``samples`` ``[n, ...]`` comes to: layers are fused
    first, so a sum that a batch norm or a ReLU follows on the chip is not rounded in between.
    """
    fused = graph.copy()
    run_passes(fused, ONNX_PASSES)
    port = fused.input_ports[0]
    quantize_graph(fused, observe(fused, [{port.name: sample[None]} for sample in samples]))
    grid: dict[str, QuantParams] = {}
    for node in fused.select(Node, "QuantizeLinear"):
        scale, zero_point = fused.constant(node.input(1)), fused.constant(node.input(2))
        if scale is not None and zero_point is not None and graph.has_tensor(node.input(0)):
            grid[node.input(0)] = QuantParams(float(scale.reshape(())), int(zero_point.reshape(())))
    return grid
