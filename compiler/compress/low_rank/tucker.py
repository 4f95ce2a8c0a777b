"""A convolution between two pointwise ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.layers import Layer
from compiler.compress.low_rank.base import FACTORISATIONS, check_target, intermediate, rank_of
from compiler.ir import Graph, Node

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Tucker2", "tucker2"]


@FACTORISATIONS.register(
    "tucker-2",
    paper="Kim, Park, Yoo, Choi, Yang, Shin: Compression of Deep Convolutional Neural Networks for Fast and Low "
    "Power Mobile Applications, ICLR 2016",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class Tucker2:
    """A convolution becomes 1 x 1 to fewer channels, the same kernel on those, and 1 x 1 to all filters.

    Ranks of both modes keep ``energy`` of the kernel each, or are ``rank``.
    """

    energy: float | None = None
    rank: int | None = None

    def __post_init__(self) -> None:
        check_target("tucker-2", self.energy, self.rank)

    def applies(self, layer: Layer, graph: Graph) -> bool:
        """To convolutions of one group that are not pointwise."""
        kernels = layer.value(graph)
        return layer.node.op_type == "Conv" and layer.groups == 1 and kernels.shape[2] * kernels.shape[3] > 1

    def rewrite(self, graph: Graph, layer: Layer) -> tuple[int, int]:
        """Three layers where there was one, unless they have as many weights."""
        kernels = layer.value(graph).astype(np.float64)
        ranks = tuple(
            rank_of(np.linalg.svd(_unfolded(kernels, mode), compute_uv=False), self.energy, self.rank)
            for mode in (0, 1)
        )
        filters, core, channels = tucker2(kernels, (ranks[0], ranks[1]))
        size = filters.size + core.size + channels.size
        if size >= kernels.size:
            return kernels.size, kernels.size
        _replace(graph, layer, filters, core, channels)
        return kernels.size, size


def tucker2(
    kernels: NDArray[np.float64], ranks: tuple[int, int], sweeps: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """``(A, G, B)`` with ``kernels[f, c, y, x] ~ sum over r, s of A[f, r] G[r, s, y, x] B[c, s]``; A, B orthonormal.

    By higher-order orthogonal iteration: each factor in turn is the best for the other (De Lathauwer et al., 2000).
    """
    channels = np.linalg.svd(_unfolded(kernels, 1), full_matrices=False)[0][:, : ranks[1]]
    filters = np.linalg.svd(_unfolded(kernels, 0), full_matrices=False)[0][:, : ranks[0]]
    for _ in range(sweeps):
        narrow = np.einsum("fcyx,cs->fsyx", kernels, channels)
        filters = np.linalg.svd(_unfolded(narrow, 0), full_matrices=False)[0][:, : ranks[0]]
        narrow = np.einsum("fcyx,fr->rcyx", kernels, filters)
        channels = np.linalg.svd(_unfolded(narrow, 1), full_matrices=False)[0][:, : ranks[1]]
    return filters, np.einsum("fcyx,fr,cs->rsyx", kernels, filters, channels), channels


def _unfolded(kernels: NDArray[np.float64], mode: int) -> NDArray[np.float64]:
    return np.moveaxis(kernels, mode, 0).reshape(kernels.shape[mode], -1)


def _replace(
    graph: Graph,
    layer: Layer,
    filters: NDArray[np.float64],
    core: NDArray[np.float64],
    channels: NDArray[np.float64],
) -> None:
    node, spatial = layer.node, len(layer.node.integers("kernel_shape"))
    points = (1,) * spatial

    def constant(part: str, kernels: NDArray[np.float64]) -> str:
        shape = (*kernels.shape[:2], *(kernels.shape[2:][2 - spatial :] if kernels.ndim == 4 else points))
        return graph.add_constant(f"{layer.weights}/{part}", kernels.reshape(shape).astype(np.float32))

    point = {"kernel_shape": points, "strides": points, "pads": (0,) * (2 * spatial), "dilations": points, "group": 1}
    x, y = graph.tensor(node.input(0)).shape, graph.tensor(node.output).shape
    narrow = intermediate(graph, f"{node.name}/channels", (x[0], core.shape[1], *x[2:]))
    inner = intermediate(graph, f"{node.name}/core", (y[0], core.shape[0], *y[2:]))
    first = Node(narrow, "Conv", (node.input(0), constant("channels", channels.T)), (narrow,), point)
    second = Node(inner, "Conv", (narrow, constant("core", core)), (inner,), node.attributes)
    third = Node(node.name, "Conv", (inner, constant("filters", filters), *node.inputs[2:]), node.outputs, point)
    graph.insert_before(node.name, first)
    graph.insert_before(node.name, second)
    graph.replace(node.name, third)
