"""The real models beside the repository; tests that need them are skipped where they are absent."""

from __future__ import annotations

from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason=f"the reference models are not at {MODELS}")

TFLITE = {
    "autoencoder": ("ad01_int8", "ad01_int8"),
    "ds-cnn": ("kws_ref_model", "kws_ref_model_dev"),
    "mobilenet": ("mobilenet_v1_0.25_128_quant", "mobilenet_v1_0.25_128_quant"),
    "resnet-8": ("pretrainedResnet_quant", "pretrainedResnet_quant"),
    "lenet-300-100": ("ptq_mnist_lenet-300-100", "ptq_mnist_lenet-300-100"),
}


def model_path(name: str) -> Path:
    return MODELS / "onnx_from_tflite" / f"{TFLITE[name][0]}.onnx"


def golden_path(name: str) -> Path:
    return MODELS / "golden" / f"{TFLITE[name][1]}.npz"
