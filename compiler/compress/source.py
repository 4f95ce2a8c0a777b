"""The float graph that compression works on, from a model file."""

from __future__ import annotations

import os

from compiler.errors import ModelError
from compiler.frontend.build import import_model
from compiler.frontend.load import is_quantised
from compiler.ir import Graph
from compiler.passes.base import Pass, run_passes
from compiler.passes.dead_code import RemoveDeadCode
from compiler.passes.explicit_padding import ExplicitPadding
from compiler.passes.fold_constants import FoldConstants
from compiler.passes.fully_connected import FormFullyConnected
from compiler.passes.fuse_pad import FusePad
from compiler.passes.identities import RemoveIdentities
from compiler.passes.spatial_mean import FormGlobalAverage
from compiler.passes.transpose_weights import TransposeWeights

__all__ = ["FLOAT_PASSES", "float_graph"]

FLOAT_PASSES: tuple[Pass, ...] = (
    FoldConstants(),
    RemoveIdentities(),
    ExplicitPadding(),
    FusePad(),
    TransposeWeights(),
    FormFullyConnected(),
    FormGlobalAverage(),
    RemoveDeadCode(),
)
"""One way to write each layer; batch norms stay, since they are trained, and activations stay apart."""


def float_graph(path: str | os.PathLike[str]) -> Graph:
    """The float network at ``path`` with one form of each layer: ``Conv`` and ``FullyConnected`` of constant weights.

    Raises:
        ModelError: one line, if the file is malformed or the model quantised already.

    """
    graph = import_model(path)
    if is_quantised(graph):
        raise ModelError(f"{path}: is quantised already; compress the float model that it was made from")
    run_passes(graph, FLOAT_PASSES)
    return graph
