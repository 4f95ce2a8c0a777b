"""The graph IR: operators as nodes, tensors as edges; the ONNX level before quantisation, the integer level after."""

from __future__ import annotations

from compiler.ir.error import IRError
from compiler.ir.graph import Graph, Operator, outputs_of
from compiler.ir.integer import (
    Add,
    Concat,
    Conv,
    Host,
    HostArgument,
    IntegerOp,
    MatMul,
    Permute,
    Pool,
    PoolKind,
    Requantize,
    Residual,
)
from compiler.ir.layout import Layout, hwc_shape
from compiler.ir.node import Attribute, Node
from compiler.ir.tensor import Port, QuantParams, Tensor

__all__ = [
    "Add",
    "Attribute",
    "Concat",
    "Conv",
    "Graph",
    "Host",
    "HostArgument",
    "IRError",
    "IntegerOp",
    "Layout",
    "MatMul",
    "Node",
    "Operator",
    "Permute",
    "Pool",
    "PoolKind",
    "Port",
    "QuantParams",
    "Requantize",
    "Residual",
    "Tensor",
    "hwc_shape",
    "outputs_of",
]
