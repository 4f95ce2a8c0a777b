"""ResNet-50 on a 32 x 32 array by SCALE-Sim 3.0.0 and by ZigZag 3.9.1: their inputs, and their runs.

Both are run as their authors ship them, with what makes them faster where they leave a choice: SCALE-Sim writes no
traces and shows no progress; ZigZag has its own ``tpu_like`` 32 x 32 array, with the spatial mapping that is given for
it there, and searches temporal mappings as it does by default.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from compiler.ir.integer import Conv
from hwsim.bench.tools import Tool
from hwsim.network import load_network
from workloads.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from hwsim.bench.measure import Spent

__all__ = [
    "MODEL",
    "SCALESIM",
    "SCALESIM_LIMIT_S",
    "ZIGZAG",
    "ZIGZAG_LIMIT_S",
    "cycles_of",
    "run_scalesim",
    "run_zigzag",
    "with_weights",
]

MODEL = "resnet50"
ZIGZAG_LIMIT_S = 300
SCALESIM_LIMIT_S = 150
"""CPU seconds that a tool gets; one that is stopped there has a lower bound for a figure. ZigZag ends after some 200;
SCALE-Sim was not done after 700, and what it gets is a hundred estimates of ours."""

SCALESIM = Tool(
    name="SCALE-Sim",
    version="3.0.0",
    # it calls what numpy 2 took out
    requirements=("scalesim==3.0.0", "numpy<2"),
    script="""
import sys
from scalesim.scale_sim import scalesim
config, topology, layout = sys.argv[1:]
sim = scalesim(save_disk_space=True, verbose=False, config=config, topology=topology, layout=layout)
sim.run_scale(top_path="out")
layers = sim.runner.single_layer_sim_object_list
print("cycles", sum(layer.get_compute_report_items()[1] for layer in layers))
""",
)
ZIGZAG = Tool(
    name="ZigZag",
    version="3.9.1",
    # it imports six and does not say so
    requirements=("zigzag-dse==3.9.1", "six"),
    script="""
import sys
from importlib import resources
from zigzag.api import get_hardware_performance_zigzag
inputs = resources.files("zigzag") / "inputs"
energy, cycles, *_ = get_hardware_performance_zigzag(
    sys.argv[1],
    str(inputs / "hardware/tpu_like.yaml"),
    str(inputs / "mapping/tpu_like.yaml"),
    opt="latency",
    dump_folder="out",
    loma_show_progress_bar=False,
)
print("cycles", round(cycles))
""",
)

# The sizes of dense-32x32; bandwidth as the array asks for it, so that memory never stalls it.
_CONFIG = """\
[general]
run_name = resnet50
[architecture_presets]
ArrayHeight: 32
ArrayWidth: 32
IfmapSramSzkB: 256
FilterSramSzkB: 256
OfmapSramSzkB: 256
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Dataflow: ws
Bandwidth: 10
ReadRequestBuffer: 32
WriteRequestBuffer: 32
[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: false
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""
_LAYOUT_FACTORS = 20


def run_scalesim(folder: Path) -> Spent:
    """SCALE-Sim on the convolutions of :data:`MODEL`, weight stationary, its inputs written into ``folder``.

    Raises:
        MeasuredError: it cannot be installed, or failed.

    """
    rows = list(_topology(load_network(MODEL).graph))
    names = "Layer name,IFMAP Height,IFMAP Width,Filter Height,Filter Width,Channels,Num Filter,Strides,\n"
    texts = {
        "scale.cfg": _CONFIG,
        "topology.csv": names + "".join(f"{','.join(map(str, row))},\n" for row in rows),
        # no layout is modelled, yet the file must have a line a layer
        "layout.csv": "Layer name,\n" + "".join(f"{row[0]},{'1,' * _LAYOUT_FACTORS}\n" for row in rows),
    }
    paths = [folder / name for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text)
    return SCALESIM.measure([str(path) for path in paths], paths, folder=folder, limit_s=SCALESIM_LIMIT_S)


def run_zigzag(file: Path, folder: Path) -> Spent:
    """ZigZag on the model in ``file``, which has every weight and shape in it.

    Raises:
        MeasuredError: it cannot be installed, or failed.

    """
    return ZIGZAG.measure([str(file)], [file], folder=folder, limit_s=ZIGZAG_LIMIT_S)


def cycles_of(spent: Spent) -> int | None:
    """The cycles that a tool's script printed; None if it was stopped."""
    found = re.search(r"^cycles (\d+)", spent.output, re.MULTILINE)
    return int(found[1]) if found else None


def with_weights(name: str) -> onnx.ModelProto:
    """The workload ``name`` with the values that its ``ConstantOfShape`` nodes stand for, and every shape inferred.

    ZigZag takes those nodes for layers, and needs the shapes.
    """
    import onnx
    from onnx import numpy_helper

    model = resolve(name).model()
    graph = model.graph
    sizes: dict[str, NDArray] = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    rng = np.random.default_rng(0)
    fills = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    shapes = {node.input[0] for node in fills}
    for node in fills:
        # positive, since some are variances
        values = rng.random(tuple(sizes[node.input[0]]), np.float32) + np.float32(0.01)
        graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        graph.node.remove(node)
    for tensor in [t for t in graph.initializer if t.name in shapes]:
        graph.initializer.remove(tensor)
    constants = shapes | {t.name for t in graph.initializer}
    for value in [v for v in graph.input if v.name in constants]:
        graph.input.remove(value)
    # older versions count every initializer among the inputs, and shapes are inferred by them
    model.ir_version = max(model.ir_version, 8)
    return onnx.shape_inference.infer_shapes(model)


def _topology(graph: Graph) -> Iterator[tuple[str | int, ...]]:
    """Convolutions and fully connected layers as SCALE-Sim writes them: padding is part of the image."""
    for op in graph.operators():
        if isinstance(op, Conv):
            kernel_h, kernel_w, channels, filters = op.weights.shape
            height, width, _ = graph.tensor(op.inputs[0]).shape
            top, left, bottom, right = op.pads
            image = (height + top + bottom, width + left + right)
            yield op.name, *image, kernel_h, kernel_w, channels, filters, op.strides[0]
