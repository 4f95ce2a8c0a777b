"""Real architectures as ONNX models, built in memory: for estimation, where what matters is shapes and not weights."""

from __future__ import annotations

from workloads.builders.eyeriss import eyeriss_alexnet, eyeriss_vgg16
from workloads.builders.gemm import gemm
from workloads.builders.lenet import lenet_5, lenet_300_100
from workloads.builders.mobilenet import mobilenet_v1, mobilenet_v2
from workloads.builders.network import Weights
from workloads.builders.recurrent import gru, lstm
from workloads.builders.transformer import transformer_block
from workloads.builders.xception import xception

__all__ = [
    "Weights",
    "eyeriss_alexnet",
    "eyeriss_vgg16",
    "gemm",
    "gru",
    "lenet_5",
    "lenet_300_100",
    "lstm",
    "mobilenet_v1",
    "mobilenet_v2",
    "transformer_block",
    "xception",
]
