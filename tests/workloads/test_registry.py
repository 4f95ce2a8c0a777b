"""Names: what resolves, what it resolves to, and what is said of names that do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import workloads
from workloads import WorkloadError

# Single layers, of up to 100 million weights: they have a test of their own.
NETWORKS = [name for name in workloads.names() if not name.startswith("eie/")]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_name_gives_a_valid_model(name: str, tmp_path: Path) -> None:
    workload = workloads.resolve(name)
    assert workload.name == name
    assert workload.description
    file = workload.file(tmp_path)
    onnx.checker.check_model(file)
    assert onnx.load(file) == workload.model()


@pytest.mark.parametrize("name", NETWORKS)
def test_calibration_fits_the_input(name: str) -> None:
    workload = workloads.resolve(name)
    model = workload.model()
    constants = {tensor.name for tensor in model.graph.initializer}
    (port,) = [value for value in model.graph.input if value.name not in constants]
    assert workload.calibration is not None
    data = workload.calibration()
    assert data.dtype == np.float32
    assert data.ndim == len(port.type.tensor_type.shape.dim)
    sizes = [dim.dim_value or None for dim in port.type.tensor_type.shape.dim]
    assert all(size in (None, have) for size, have in zip(sizes, data.shape, strict=True))
    np.testing.assert_array_equal(data, workload.calibration())


@pytest.mark.parametrize("name", ["digits-cnn", "digits-mlp"])
def test_digits_come_with_real_data(name: str) -> None:
    workload = workloads.resolve(name)
    assert not workload.synthetic
    assert workload.test_set is not None
    test = workload.test_set()
    assert test.inputs.shape == (360, 1, 8, 8)
    assert test.labels.shape == (360,)


class TestGemm:
    def test_sizes_come_from_the_name(self) -> None:
        model = workloads.resolve("gemm-3x40x7").model()
        assert [node.op_type for node in model.graph.node] == ["QLinearMatMul"]
        (weights,) = [t for t in model.graph.initializer if t.name == "weights"]
        assert list(weights.dims) == [40, 7]

    def test_product_uses_its_range(self) -> None:
        """Near three standard deviations at full scale: most codes of int8 in use, less than 1 % saturated."""
        model = workloads.resolve("gemm-64x512x64").model()
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        a = np.random.default_rng(0).integers(-128, 128, (64, 512), np.int8)
        (product,) = session.run(None, {"a": a})
        product = np.asarray(product)
        assert product.dtype == np.int8
        assert 38 < product.std() < 46
        assert np.isin(product, (-128, 127)).mean() < 0.01
        assert len(np.unique(product)) > 220

    def test_weights_are_the_same_each_time(self) -> None:
        assert workloads.resolve("gemm-8x8x8").model() == workloads.resolve("gemm-8x8x8").model()

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("gemm-512x512", r"^workload 'gemm-512x512' is not gemm-MxKxN with three whole numbers"),
            ("gemm-1x2x3x4", r"is not gemm-MxKxN"),
            ("gemm--1x2x3", r"is not gemm-MxKxN"),
            ("gemm-1.5x2x3", r"is not gemm-MxKxN"),
            ("gemm-0x2x3", r"sizes must be positive"),
            ("gemm-1000000x1000000x1000000", r"each matrix at most 2\^28 elements$"),
            (f"gemm-{'9' * 5000}x1x1", r"is not gemm-MxKxN"),
        ],
    )
    def test_impossible_sizes_are_refused(self, name: str, message: str) -> None:
        with pytest.raises(WorkloadError, match=message):
            workloads.resolve(name)


class TestFilesAndTypos:
    def test_onnx_file_is_itself(self, tmp_path: Path) -> None:
        workload = workloads.resolve(str(tmp_path / "net.onnx"))
        assert (workload.name, workload.path) == ("net", tmp_path / "net.onnx")
        assert workload.file(Path("/nowhere")) == tmp_path / "net.onnx"

    def test_existing_file_needs_no_suffix(self, tmp_path: Path) -> None:
        (tmp_path / "model").write_bytes(b"")
        assert workloads.resolve(str(tmp_path / "model")).path == tmp_path / "model"

    @pytest.mark.parametrize(
        ("typo", "suggestion"),
        [
            ("digit-cnn", "did you mean 'digits-cnn'"),
            ("ResNet50", "did you mean 'resnet50'"),
            ("mobilenetv2", "did you mean 'mobilenet-v2'"),
            ("gem-512x512x512", "did you mean 'gemm-512x512x512'"),
            ("qqqq", r"known: alexnet, densenet121, .*, gemm-MxKxN"),
            ("", r"known: alexnet"),
            ("x" * 5000, r"^unknown workload 'x{60}…': known"),
            ("nul\0byte", r"known: alexnet"),
        ],
    )
    def test_unknown_names_are_met_with_the_nearest(self, typo: str, suggestion: str) -> None:
        with pytest.raises(WorkloadError, match=suggestion) as caught:
            workloads.resolve(typo)
        assert "\n" not in str(caught.value)


def test_a_name_costs_no_heavy_import() -> None:
    heavy = "onnx", "sklearn", "numpy"
    code = f"import sys, workloads; workloads.resolve('digits-cnn'); print(sorted(set({heavy}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # The digits' data module holds arrays, so numpy comes; the others wait until they are needed.
    assert result.stdout.strip() == "['numpy']"
