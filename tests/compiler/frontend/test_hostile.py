"""Every broken or hostile file gives one line that names the culprit: no traceback, crash, hang or large allocation."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import compiler
from compiler.errors import ModelError
from tests.compiler.builders import info, model, op, rand, save

CONV = {"x": (1, 3, 8, 8)}
WEIGHTS = {"w": rand(4, 3, 3, 3)}


def good() -> onnx.ModelProto:
    return model([op("Conv", "x w", "h", kernel_shape=[3, 3]), op("Relu", "h", "y")], CONV, "y", WEIGHTS)


def edited(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        proto = good()
        change(proto)
        return save(proto, folder)

    return write


def raw(data: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "model.onnx"
        path.write_bytes(data)
        return path

    return write


def built(*args: object, **kwargs: object) -> Callable[[Path], Path]:
    return lambda folder: save(model(*args, **kwargs), folder)  # type: ignore[arg-type]


def sparse_giant(folder: Path) -> Path:
    path = folder / "model.onnx"
    with path.open("wb") as file:
        file.truncate(3 << 30)
    return path


def external(location: str, **entries: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder.parent / "secret.bin").write_bytes(bytes(4 * 3 * 9 * 4))
        inside = folder / "inside"
        inside.mkdir(exist_ok=True)
        (inside / "short.bin").write_bytes(b"1234")
        (inside / "link.bin").symlink_to(folder.parent / "secret.bin")
        proto = good()
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **entries}.items():
            tensor.external_data.add(key=key, value=value)
        return save(proto, inside)

    return write


def too_many_weights(folder: Path) -> Path:
    """Five initializers of 1 GiB each, outside the file."""
    with (folder / "weights.bin").open("wb") as file:
        file.truncate(5 << 30)
    proto = model([op("Concat", "x a b c d e", "y", axis=0)], {"x": (1, 2**28)}, "y")
    for number, name in enumerate("abcde"):
        tensor = proto.graph.initializer.add(name=name, dims=[1, 2**28], data_type=TensorProto.FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": "weights.bin", "offset": number << 30, "length": 1 << 30}.items():
            tensor.external_data.add(key=key, value=str(value))
    return save(proto, folder)


def set_weights(**fields: object) -> Callable[[Path], Path]:
    def change(proto: onnx.ModelProto) -> None:
        tensor = proto.graph.initializer[0]
        for key, value in fields.items():
            tensor.ClearField(key)
            if isinstance(value, list):
                getattr(tensor, key).extend(value)
            else:
                setattr(tensor, key, value)

    return edited(change)


def cycle(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].input[0] = "y"


def bad_weights(value: float) -> Callable[[Path], Path]:
    array = rand(4, 3, 3, 3)
    array[1, 2, 0, 0] = value
    return built([op("Conv", "x w", "y", kernel_shape=[3, 3])], CONV, "y", {"w": array})


def qdq(**changes: object) -> Callable[[Path], Path]:
    constants: dict[str, object] = {"s": 0.1, "z": np.int8(0), "t": 0.1, "w": np.ones((4, 3, 3, 3), np.int8)}
    constants |= changes
    nodes = [
        op("QuantizeLinear", "x s z", "q"),
        op("DequantizeLinear", "q t z", "r"),
        op("DequantizeLinear", "w s", "v"),
        op("Conv", "r v", "c", kernel_shape=[3, 3]),
        op("QuantizeLinear", "c s z", "y"),
    ]
    return built(nodes, CONV, {"y": np.int8}, constants)


def wide_qdq(folder: Path) -> Path:
    nodes = [op("QuantizeLinear", "x s z", "q"), op("DequantizeLinear", "q s z", "y")]
    return save(model(nodes, CONV, "y", {"s": 0.1, "z": np.uint16(0)}, opset=21), folder)


def huge_input(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].CopyFrom(info("x", (1, 3, 1_000_000, 1_000_000)))


def mistype(proto: onnx.ModelProto) -> None:
    attribute = proto.graph.node[0].attribute[0]
    attribute.CopyFrom(helper.make_attribute("kernel_shape", "three"))


def loop(proto: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    proto.graph.node.add(op_type="If", name="branch", input=["x"], output=["z"]).attribute.append(
        helper.make_attribute("then_branch", body)
    )


PASSABLE = good().SerializeToString()
CASES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "absent": (lambda folder: folder / "none.onnx", r": no such file$"),
    "directory": (lambda folder: folder, r": is not a file but a directory or device; give the \.onnx file itself$"),
    "device": (lambda _: Path("/dev/zero"), r"^/dev/zero: is not a file"),
    "empty": (raw(b""), r": is empty$"),
    "text": (raw(b"hello, this is no protobuf\n" * 9), r": is not an ONNX model"),
    "zip": (raw(b"PK\x03\x04" + bytes(500)), r": is not an ONNX model"),
    "zeros": (raw(bytes(1000)), r": is not an ONNX model"),
    "truncated": (raw(PASSABLE[: len(PASSABLE) // 2]), r": is not an ONNX model, or is cut short"),
    "nested too deeply": (raw(b"\x3a\xff\xff\xff\xff\x07" * 50), r": is not an ONNX model"),
    "over 2 GiB": (sparse_giant, r": has 3221225472 bytes, protobuf's limit is 2 GiB; save its weights as external"),
    "no nodes": (edited(lambda p: p.graph.ClearField("node")), r": the graph has no nodes$"),
    "no outputs": (edited(lambda p: p.graph.ClearField("output")), r": the graph has no outputs$"),
    "no opset": (edited(lambda p: p.ClearField("opset_import")), r": is not an ONNX model: it has no graph or no op"),
    "future opset": (
        edited(lambda p: setattr(p.opset_import[0], "version", 999)),
        r": operator set 999 is not in 7\.\.\d+; export with opset 13\.\.21$",
    ),
    "ancient opset": (edited(lambda p: setattr(p.opset_import[0], "version", 1)), r": operator set 1 is not in 7"),
    "cycle": (edited(cycle), r": node 'h' \(Conv\) depends on its own output: a cycle$"),
    "missing input": (
        edited(lambda p: p.graph.node[1].input.__setitem__(0, "lost")),
        r": node 'y' reads tensor 'lost', which nothing produces$",
    ),
    "missing output": (
        edited(lambda p: setattr(p.graph.output[0], "name", "lost")),
        r": output 'lost' is produced by no node$",
    ),
    "written twice": (
        edited(lambda p: p.graph.node[1].output.__setitem__(0, "h")),
        r": node 'y' writes tensor 'h', already written by node 'h'$",
    ),
    "initializer overwritten": (
        edited(lambda p: p.graph.node[1].output.__setitem__(0, "w")),
        r": node 'y' writes tensor 'w', already written by an initializer$",
    ),
    "duplicate initializer": (
        edited(lambda p: p.graph.initializer.append(p.graph.initializer[0])),
        r": initializer 'w' is declared twice$",
    ),
    "duplicate input": (edited(lambda p: p.graph.input.append(p.graph.input[0])), r": input 'x' is declared twice$"),
    "unknown operator": (
        built([op("Frobnicate", "x", "y")], CONV, "y"),
        r": node 'y' \(Frobnicate\): No Op registered for Frobnicate",
    ),
    "unknown domain": (
        built([op("Conv", "x w", "y", domain="acme")], CONV, "y", WEIGHTS),
        r": node 'y' \(Conv\): operator domain 'acme' is not known; export with ONNX' own operators$",
    ),
    "foreign operator": (
        built([op("FusedGizmo", "x", "y", domain="com.microsoft")], CONV, "y"),
        r": node 'y' \(FusedGizmo\): this operator of ONNX Runtime is not supported; export",
    ),
    "control flow": (edited(loop), r": node 'branch' \(If\): control flow cannot be compiled"),
    "attribute of another type": (edited(mistype), r": node 'h' \(Conv\): .*kernel_shape"),
    "initializer too short": (set_weights(raw_data=b"12345678"), r": initializer 'w' has 8 bytes of data where its sh"),
    "initializer of another type": (
        set_weights(data_type=TensorProto.DOUBLE),
        r": initializer 'w' has 432 bytes of data where its shape \[4, 3, 3, 3\] needs 864$",
    ),
    "initializer of no type": (set_weights(data_type=77), r": initializer 'w' has the unknown data type 77$"),
    "initializer in segments": (
        edited(lambda p: p.graph.initializer[0].segment.CopyFrom(TensorProto.Segment(begin=0, end=9))),
        r": initializer 'w' is a segment of a tensor, which is not supported; save it whole$",
    ),
    "initializer of strings": (set_weights(data_type=TensorProto.STRING), r": initializer 'w' holds strings$"),
    "weights of integers": (
        built([op("Conv", "x w", "y", kernel_shape=[3, 3])], CONV, "y", {"w": np.ones((4, 3, 3, 3), np.int64)}),
        r": shapes cannot be inferred: .*",
    ),
    "negative dimension": (set_weights(dims=[4, -3, 3, 3]), r": initializer 'w' has the shape \[4, -3, 3, 3\]"),
    "1e12 weights": (
        set_weights(dims=[1_000_000, 1_000_000]),
        r": initializer 'w' has the shape \[1000000, 1000000\]; at",
    ),
    "overflowing dimensions": (set_weights(dims=[2**62, 2**62, 4]), r": initializer 'w' has the shape "),
    "1e12 activations": (edited(huge_input), r": tensor 'x' would be \[1, 3, 1000000, 1000000\]; 1 to"),
    "1e12 by expansion": (
        built([op("Expand", "x s", "y")], {"x": (1, 1)}, "y", {"s": np.array([10**6, 10**6])}),
        r": tensor 'y' would be \[1000000, 1000000\]; 1 to",
    ),
    "1e12 by filling": (
        built(
            [op("ConstantOfShape", "s", "f"), op("Add", "x f", "y")], {"x": (1, 1)}, "y", {"s": np.array([10**6] * 2)}
        ),
        r": node 'f' \(ConstantOfShape\): makes the shape \[1000000, 1000000\]; 0 to 268435456 elements",
    ),
    "dynamic size": (
        built([op("Conv", "x w", "y")], {"x": ("n", 3, "height", 8)}, "y", WEIGHTS),
        r": input 'x': dimension 2 \('height'\) is not fixed; export with one size$",
    ),
    "kernel larger than image": (
        built([op("Conv", "x w", "y")], {"x": (1, 3, 2, 2)}, "y", WEIGHTS),
        r": (tensor 'y' would be|shapes cannot be inferred)",
    ),
    "channels do not fit": (
        built([op("Conv", "x w", "y")], {"x": (1, 5, 8, 8)}, "y", WEIGHTS),
        r": .*",
    ),
    "a batch": (
        built([op("Conv", "x w", "y")], {"x": (8, 3, 8, 8)}, "y", WEIGHTS),
        r": node 'y' \(Conv\): its batch is 8, and one image at a time is compiled; export with a batch of 1",
    ),
    "groups do not fit": (
        built([op("Conv", "x w", "y", group=3)], CONV, "y", WEIGHTS),
        r": node 'y' \(Conv\): weights \[4, 3, 3, 3\] in 3 groups do not fit the input \[1, 3, 8, 8\]$",
    ),
    "bias does not fit": (
        built([op("Conv", "x w b", "y")], CONV, "y", {**WEIGHTS, "b": rand(9)}),
        r": node 'y' \(Conv\): its bias \[9\] does not fit 4 filters$",
    ),
    "pads larger than a pool": (
        built([op("AveragePool", "x", "y", kernel_shape=[2, 2], pads=[9, 9, 9, 9])], CONV, "y"),
        r": node 'y' \(AveragePool\): its pads \[9, 9, 9, 9\] are not smaller than its kernel \[2, 2\]$",
    ),
    "stride of zero": (
        built([op("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[0, 1])], CONV, "y"),
        r": (node 'y' \(MaxPool\): strides \[0, 1\] do not fit|shapes cannot be inferred|tensor 'y')",
    ),
    "batch norm does not fit": (
        built([op("BatchNormalization", "x g g g g", "y")], CONV, "y", {"g": rand(5)}),
        r": (node 'y' \(BatchNormalization\): its parameters \[5\] do not fit 3 channels$|shapes cannot)",
    ),
    "reshape to another size": (
        built([op("Reshape", "x s", "y")], CONV, "y", {"s": np.array([9985, 784])}),
        r": node 'y' \(Reshape\): the number of elements changes, \[1, 3, 8, 8\] to \[9985, 784\]$",
    ),
    "NaN weights": (bad_weights(float("nan")), r": initializer 'w' has NaN or infinite values"),
    "infinite weights": (bad_weights(float("inf")), r": initializer 'w' has NaN or infinite values"),
    "external data outside": (external("../../secret.bin"), r": initializer 'w': its external data '\.\./\.\./secret"),
    "external data absolute": (
        external("/etc/passwd"),
        r": initializer 'w': its external data '/etc/passwd' leaves the",
    ),
    "external data by symlink": (
        external("link.bin"),
        r": initializer 'w': its external data 'link.bin' leaves the mod",
    ),
    "external data absent": (external("none.bin"), r": initializer 'w': its external data file 'none.bin' does not ex"),
    "external data too short": (external("short.bin"), r": initializer 'w' has 4 bytes of data where"),
    "external data beyond": (
        external("short.bin", offset="2", length="99"),
        r": bytes 2\.\.101 are not in 'short.bin'",
    ),
    "external offset no number": (
        external("short.bin", offset="two"),
        r": offset or length of its external data is no",
    ),
    "external length huge": (external("short.bin", length=str(10**15)), r": bytes 0\.\.1000000000000000 are not in"),
    "weights beyond 4 GiB": (
        too_many_weights,
        r": its initializers have 1342177280 elements together; at most \d+ are",
    ),
    "scale zero": (qdq(s=0.0), r": node 'q' \(QuantizeLinear\): its scale 0\.0 is not a positive number$"),
    "scale NaN": (qdq(s=float("nan")), r": initializer 's' has NaN or infinite values"),
    "scale infinite": (qdq(s=float("inf")), r": node 'q' \(QuantizeLinear\): its scale inf is not a positive number$"),
    "scales that disagree": (
        qdq(t=0.2),
        r": node 'r' \(DequantizeLinear\): reads 'x' with another scale or zero point",
    ),
    "scale per channel of an activation": (
        qdq(s=np.full(8, 0.1, np.float32)),
        r": node 'q' \(QuantizeLinear\): (an activation must have one scale, not 8|it has 8 scales)",
    ),
    "requantisation out of range": (
        qdq(s=np.float32(1e-30)),
        r"(node 'c' \(Conv\): requantisation scale|node 'r' \(DequantizeLinear\): reads)",
    ),
    "16-bit activations": (wide_qdq, r": node 'q' \(QuantizeLinear\): uint16 activations; int8 or uint8 is needed$"),
    "float without calibration": (built([op("Relu", "x", "y")], CONV, "y"), r": is a float model: quantising it needs"),
    "local function": (
        edited(lambda p: p.functions.add(name="mine", domain="here")),
        r": function 'mine' is local to the model; inline it",
    ),
}


@pytest.mark.parametrize(("write", "message"), CASES.values(), ids=CASES)
def test_one_line_that_names_the_culprit(write: Callable[[Path], Path], message: str, tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    path = write(folder)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(ModelError, match=message) as caught:
        compiler.load(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    assert len(text) < 500
    assert time.monotonic() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_the_model_that_the_cases_are_made_of_is_good(tmp_path: Path):
    assert len(compiler.load(save(good(), tmp_path), calibration="random")) == 1


def test_no_truncation_of_a_good_file_escapes(tmp_path: Path):
    path = tmp_path / "model.onnx"
    for length in range(0, len(PASSABLE), 7):
        path.write_bytes(PASSABLE[:length])
        with pytest.raises(ModelError):
            compiler.load(path)


def test_no_flipped_byte_of_a_good_file_escapes(tmp_path: Path):
    """Any single damaged byte gives a graph or a ModelError, never another exception."""
    path, rng = tmp_path / "model.onnx", np.random.default_rng(0)
    outcomes = {"graph": 0, "refused": 0}
    for _ in range(600):
        data = bytearray(PASSABLE)
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
        path.write_bytes(bytes(data))
        try:
            compiler.load(path, calibration="random")
            outcomes["graph"] += 1
        except ModelError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 20, outcomes
