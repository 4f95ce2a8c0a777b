"""Models that people bring and tools trip over: handled with what was done said, or refused in one line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from compiler.frontend.weights import to_array
from tests.compiler.builders import info, model, op, rand, save
from tests.hwsim.cli.command_line import hwsim

GIB = 2**30
CONV = op("Conv", "x w", "a")
WEIGHTS = {"w": rand(8, 3, 3, 3)}
IMAGE = (1, 3, 8, 8)
REFUSED = {
    "an operator that ONNX does not have": (
        model([CONV, op("FooBar", "a", "y")], {"x": IMAGE}, "y", WEIGHTS),
        r"node 'y' \(FooBar\): No Op registered for FooBar",
    ),
    "an operator of somebody's own": (
        model([CONV, op("Fancy", "a", "y", domain="my.ops")], {"x": IMAGE}, "y", WEIGHTS),
        r"node 'y' \(Fancy\): operator domain 'my.ops' is not known; export with ONNX' own operators",
    ),
    "a dynamic image size": (
        model([op("Conv", "x w", "y")], {"x": (1, 3, "H", "W")}, "y", WEIGHTS),
        r"input 'x': dimension 2 \('H'\) is not fixed; export with one size",
    ),
    "an input without a shape": (
        model([op("Conv", "x w", "y")], {"x": (None, np.float32)}, "y", WEIGHTS),
        r"input 'x' is not a tensor with a shape; export with one size",
    ),
    "a shape that depends on the data": (
        model([CONV, op("NonZero", "a", "n"), op("Cast", "n", "y", to=1)], {"x": IMAGE}, "y", WEIGHTS),
        r"node 'n' \(NonZero\): the shape of its output 'n' is not known; simplify the model with fixed shapes",
    ),
}


def external(name: str, shape: tuple[int, ...], offset: int) -> onnx.TensorProto:
    """A float32 initializer at ``offset`` of the file ``weights.bin``."""
    tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    length = 4 * int(np.prod(shape))
    for key, value in (("location", "weights.bin"), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def save_external(folder: Path, nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto], width: int) -> Path:
    graph = helper.make_graph(nodes, "external", [info("x", [1, width])], [info("y", None)], tensors)
    return save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), folder)


@pytest.mark.parametrize(("proto", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_estimated_is_refused_in_one_line(capsys, tmp_path, proto, message):
    path = save(proto, tmp_path)
    done = hwsim(capsys, "estimate", path, "--calibration", "nominal")
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"hwsim: {path}: ")
    assert re.search(message, done.err)


def test_a_dynamic_batch_is_one(capsys, tmp_path):
    path = save(model([op("Conv", "x w", "y")], {"x": ("N", 3, 8, 8)}, "y", WEIGHTS), tmp_path)
    assert "total" in hwsim(capsys, "estimate", path, "--calibration", "nominal").out


def test_an_operator_that_the_accelerator_lacks_is_the_host_s_with_its_traffic(capsys, tmp_path):
    path = save(model([CONV, op("Erf", "a", "y")], {"x": IMAGE}, "y", WEIGHTS), tmp_path)
    done = hwsim(capsys, "estimate", path, "--calibration", "nominal")
    assert "on the host: y (Erf); reads 288 B, writes 1.1 KiB" in done.out


def test_a_file_above_two_gibibytes_is_refused_before_it_is_read(capsys, tmp_path):
    path = tmp_path / "huge.onnx"
    path.touch()
    with path.open("r+b") as file:
        file.truncate(2 * GIB + 1)
    done = hwsim(capsys, "estimate", path, "--calibration", "nominal")
    assert done.status == 2
    assert done.err == (
        f"hwsim: {path}: has {2 * GIB + 1} bytes, protobuf's limit is 2 GiB; save its weights as external data\n"
    )


def test_weights_beyond_two_gibibytes_of_a_file_are_found_and_not_copied(capsys, tmp_path):
    values = rand(4, 4)
    with (tmp_path / "weights.bin").open("wb") as file:
        file.seek(2 * GIB + 8)
        file.write(values.tobytes())
    tensor = external("w", (4, 4), 2 * GIB + 8)
    array = to_array(tmp_path / "model.onnx", tensor, "w")
    np.testing.assert_array_equal(array, values)
    assert not array.flags.owndata
    path = save_external(tmp_path, [op("Gemm", "x w", "y")], [tensor], width=4)
    done = hwsim(capsys, "estimate", path, "--arch", "dense-8x8", "--calibration", "nominal")
    assert (done.status, "y" in done.out) == (0, True)


@pytest.mark.slow
def test_a_model_of_three_gibibytes_is_estimated(capsys, tmp_path):
    width, count = 16384, 3
    size = 4 * width * width
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(count * size)  # zeros that take no room on the disk
    names = ["x", "a", "b", "y"]
    nodes = [op("Gemm", f"{names[i]} w{i}", names[i + 1]) for i in range(count)]
    tensors = [external(f"w{i}", (width, width), i * size) for i in range(count)]
    path = save_external(tmp_path, nodes, tensors, width)
    command = ("estimate", path, "--arch", "dense-32x32", "--calibration", "nominal", "--fidelity", "analytic")
    done = hwsim(capsys, *command)
    assert (done.status, "805,306,368" in done.out) == (0, True), done.err
