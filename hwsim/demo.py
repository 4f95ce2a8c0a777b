"""The whole chain on a real network: quantised, compiled, run in RTL, and held against everything beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from compiler.evaluate import evaluate
from compiler.frontend.build import import_model
from compiler.interpreter import interpret, read_outputs
from compiler.mapping.compile import compile_graph
from hwsim.comparison import differing_bytes, layer_runs, same_timing
from hwsim.cycles import program_cycles
from hwsim.errors import InputError
from hwsim.execute import Work, execute
from hwsim.network import load_network
from hwsim.pricing import estimate_program
from hwsim.progress import SILENT
from hwsim.simulation.verilog import accelerator_verilog, verilog_file
from rtl.config import ArchConfig, load_arch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from compiler.program.program import Program
    from hwsim.cycles import ProgramCycles
    from hwsim.execute import Execution
    from hwsim.network import Network
    from hwsim.progress import Reporter
    from hwsim.results import Estimate
    from workloads.registry import LabelledSet

__all__ = ["WORKLOAD", "Accuracy", "DemoLayer", "DemoResult", "Sample", "run_demo"]

WORKLOAD = "digits-cnn"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How many of how many images were told right."""

    right: int
    images: int

    @property
    def share(self) -> float:
        """0..1."""
        return self.right / self.images


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLayer:
    """One layer, over all images that ran in RTL."""

    name: str
    op: str
    macs: int
    rtl_cycles: int
    """Of the image whose cycles are farthest from the model's."""
    model_cycles: int
    utilization: float
    """MACs per cycle, over those that the array could make; 0..1."""
    counters_differing: int
    """Event counters that are not what the model predicts, over all images."""
    compared_bytes: int
    mismatched_bytes: int
    """Bytes that differ from the reference interpreter's, over all images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An image that ran in RTL."""

    index: int
    """In the test set."""
    pixels: tuple[tuple[float, ...], ...]
    """``[height, width]``, 0..1."""
    label: int
    rtl: int
    """What the hardware took it for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo found. ``agrees`` is the verdict."""

    estimate: Estimate
    layers: tuple[DemoLayer, ...]
    rtl_cycles: int
    """Of one image; of the one farthest from the model."""
    model_cycles: int
    runs: int
    """Programs that ran in the one simulator: each image twice, as it is and with every layer's result stored."""
    runs_agreeing: int
    """Those of them that took the cycles and counted the events that the model predicts."""
    simulated_cycles: int
    """Over all runs."""
    float_accuracy: Accuracy
    """Of the network as trained, on the whole test set."""
    int8_accuracy: Accuracy
    """Of the reference interpreter, on the whole test set."""
    int8_sample: Accuracy
    """Of the reference interpreter, on the images that ran in RTL."""
    rtl_accuracy: Accuracy
    """Of the hardware, on the images that it ran."""
    answers_differing: int
    """Images that RTL and reference interpreter answer differently."""
    samples: tuple[Sample, ...]
    verilog: Path
    verilog_lines: int
    verilog_bytes: int
    simulator: str
    seed: int
    build_s: float
    """Compiling the simulator; 0 when it was in the cache."""
    wall_s: float
    """The simulator, between starts and interrupts."""

    @property
    def mismatched_bytes(self) -> int:
        """Over all layers and images."""
        return sum(layer.mismatched_bytes for layer in self.layers)

    @property
    def compared_bytes(self) -> int:
        """Over all layers and images."""
        return sum(layer.compared_bytes for layer in self.layers)

    @property
    def agrees(self) -> bool:
        """Every byte, every cycle and every event of every image is what was predicted."""
        return (
            self.runs_agreeing == self.runs
            and not self.mismatched_bytes
            and not self.answers_differing
            and all(layer.rtl_cycles == layer.model_cycles and not layer.counters_differing for layer in self.layers)
        )

    def to_json(self) -> dict[str, Any]:
        """What ``hwsim demo --json`` writes."""
        tree = asdict(self)
        for kept in ("estimate", "samples", "verilog"):
            del tree[kept]
        return {
            "model": self.estimate.model,
            "arch": self.estimate.arch,
            "clock_mhz": self.estimate.clock_mhz,
            "agrees": self.agrees,
            **tree,
            "mismatched_bytes": self.mismatched_bytes,
            "compared_bytes": self.compared_bytes,
            "verilog": str(self.verilog),
            "samples": [{"index": s.index, "label": s.label, "rtl": s.rtl} for s in self.samples],
            "totals": self.estimate.totals(),
        }


def run_demo(
    arch: str | Path | ArchConfig,
    *,
    images: int = 20,
    simulator: str = "verilator",
    seed: int = 0,
    reporter: Reporter = SILENT,
) -> DemoResult:
    """Compile the digits network for ``arch``, run ``images`` test images through its RTL, and compare everything.

    Float network and reference interpreter are measured on the whole test set; ``seed`` chooses the images for RTL.

    Raises:
        ConfigError, InputError: one line that names the culprit.
        SimulationError, ToolError: the simulator failed or is missing.

    """
    config = arch if isinstance(arch, ArchConfig) else load_arch(arch)
    if config.dense_engine is None:
        raise InputError(f"{config.name} has no dense engine, which the demo runs on; simulate {WORKLOAD} instead")
    reporter.stage(f"quantising {WORKLOAD}")
    network = load_network(WORKLOAD)
    test = _test_set(network, images)
    float_right = _float_right(network, test, reporter)
    references = _references(network.graph, test, reporter)
    reference_answers = [_answer(network.graph, values) for values in references]

    reporter.stage("mapping")
    # Dense: sparse layers have a timing of their own for every image.
    plain = compile_graph(network.graph, config, engine="dense")
    targets = {layer.target for layer in plain.layers}
    observed = compile_graph(network.graph, config, observe=targets, engine="dense")
    model, observed_model = program_cycles(plain, config), program_cycles(observed, config)
    estimated = estimate_program(network, plain, config, model)

    chosen = sorted(np.random.default_rng(seed).choice(len(test.labels), images, replace=False).tolist())
    works = [
        Work(program, {t: references[i][t] for t in network.graph.inputs})
        for program in (plain, observed)
        for i in chosen
    ]
    reporter.stage("emitting Verilog")
    verilog = accelerator_verilog(config)
    reporter.stage("building the simulator")
    limit = 1000 + 4 * max(model.cycles, observed_model.cycles)
    executions = execute(works, network.graph, config, simulator=simulator, max_cycles=limit, reporter=reporter)
    runs, seen = executions[:images], executions[images:]

    answers = [_answer(network.graph, run.values) for run in runs]
    labels = [int(test.labels[i]) for i in chosen]
    expected = [reference_answers[i] for i in chosen]
    return DemoResult(
        estimate=estimated,
        layers=tuple(_layers(estimated, plain, runs, seen, model, [references[i] for i in chosen])),
        rtl_cycles=_farthest([run.cycles for run in runs], model.cycles),
        model_cycles=model.cycles,
        runs=len(executions),
        runs_agreeing=sum(same_timing(r, model) for r in runs) + sum(same_timing(r, observed_model) for r in seen),
        simulated_cycles=sum(execution.cycles for execution in executions),
        float_accuracy=Accuracy(right=float_right, images=len(test.labels)),
        int8_accuracy=_accuracy(reference_answers, test.labels.tolist()),
        int8_sample=_accuracy(expected, labels),
        rtl_accuracy=_accuracy(answers, labels),
        answers_differing=sum(a != b for a, b in zip(answers, expected, strict=True)),
        samples=tuple(_sample(test, i, answer) for i, answer in zip(chosen, answers, strict=True)),
        verilog=verilog_file(config),
        verilog_lines=verilog.count("\n"),
        verilog_bytes=len(verilog.encode()),
        simulator=simulator,
        seed=seed,
        build_s=max(run.build_s for execution in executions for run in execution.runs),
        wall_s=sum(run.wall_s for execution in executions for run in execution.runs),
    )


def _test_set(network: Network, images: int) -> LabelledSet:
    if network.workload.test_set is None:
        raise InputError(f"{network.name} has no test set")
    test = network.workload.test_set()
    if not 1 <= images <= len(test.labels):
        raise InputError(f"--images must be 1 to {len(test.labels)}, not {images}")
    return test


def _float_right(network: Network, test: LabelledSet, reporter: Reporter) -> int:
    """How many of the test images the network as trained tells right."""
    if network.workload.path is None:
        raise InputError(f"{network.name} has no trained model")
    graph = import_model(network.workload.path)
    port, result = graph.input_ports[0], graph.output_ports[0]

    def right(index: int) -> bool:
        values = evaluate(graph, {port.name: test.inputs[index : index + 1]})
        return int(np.argmax(values[result.tensor])) == int(test.labels[index])

    return sum(_each(right, len(test.labels), "float network on the test set", reporter))


def _references(graph: Graph, test: LabelledSet, reporter: Reporter) -> list[dict[str, NDArray]]:
    """Every tensor for every test image, by the reference interpreter."""
    port = graph.input_ports[0]

    def reference(index: int) -> dict[str, NDArray]:
        return interpret(graph, {port.name: test.inputs[index : index + 1]})

    return _each(reference, len(test.labels), "int8 reference on the test set", reporter)


def _each(function: Callable[[int], T], count: int, what: str, reporter: Reporter) -> list[T]:
    reporter.stage(what, count)
    results = []
    for index in range(count):
        results.append(function(index))
        reporter.at(index + 1)
    return results


def _answer(graph: Graph, values: dict[str, NDArray]) -> int:
    return int(np.argmax(read_outputs(graph, values)[graph.output_ports[0].name]))


def _accuracy(answers: Sequence[int], labels: Sequence[int]) -> Accuracy:
    return Accuracy(right=sum(a == b for a, b in zip(answers, labels, strict=True)), images=len(labels))


def _sample(test: LabelledSet, index: int, answer: int) -> Sample:
    pixels = tuple(tuple(map(float, row)) for row in test.inputs[index, 0])
    return Sample(index=index, pixels=pixels, label=int(test.labels[index]), rtl=answer)


def _farthest(measured: Sequence[int], model: int) -> int:
    return max(measured, key=lambda cycles: abs(cycles - model))


def _layers(
    estimated: Estimate,
    program: Program,
    runs: Sequence[Execution],
    seen: Sequence[Execution],
    model: ProgramCycles,
    references: Sequence[dict[str, NDArray]],
) -> list[DemoLayer]:
    """Each layer: cycles and events of the plain runs, bytes of those whose layers' results were stored."""
    by_image = []
    for run, look, reference in zip(runs, seen, references, strict=True):
        differing = {
            index: differing_bytes(look, reference, layer.target, layer.channels)
            for index, layer in enumerate(program.layers)
        }
        by_image.append(layer_runs(estimated, run, model, differing))
    return [
        DemoLayer(
            name=images[0].estimate.name,
            op=images[0].estimate.op,
            macs=images[0].estimate.macs,
            rtl_cycles=_farthest([image.rtl_cycles for image in images], images[0].model_cycles),
            model_cycles=images[0].model_cycles,
            utilization=images[0].estimate.utilization,
            counters_differing=sum(len(image.counter_differences) for image in images),
            compared_bytes=sum(image.compared_bytes for image in images),
            mismatched_bytes=sum(image.mismatched_bytes for image in images),
        )
        for images in zip(*by_image, strict=True)
    ]
