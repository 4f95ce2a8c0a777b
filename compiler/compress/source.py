"""The float graph that compression works on, from a model file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from compiler.errors import ModelError
from compiler.frontend.build import import_model
from compiler.frontend.load import is_quantised
from compiler.frontend.write import OLDEST_OPSET
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
    if graph.opset < OLDEST_OPSET:
        graph = _converted(Path(path))
    run_passes(graph, FLOAT_PASSES)
    return graph


def _converted(path: Path) -> Graph:
    """The model in an operator set that has quantisation per channel."""
    import onnx
    from onnx import version_converter

    try:
        model = version_converter.convert_version(onnx.load(path), OLDEST_OPSET)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path}: cannot be converted to operator set {OLDEST_OPSET}: {reason}") from error
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        target = Path(folder) / path.name
        target.write_bytes(model.SerializeToString())
        return import_model(target)
