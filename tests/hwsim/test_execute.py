"""Running programs on the RTL with the host's operators in between."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from compiler.interpreter import interpret
from compiler.mapping.compile import compile_graph
from hwsim.cycles import program_cycles
from hwsim.errors import SimulationError
from hwsim.execute import Work, execute, place
from hwsim.simulation import program as simulation
from hwsim.simulation.program import ProgramJob, RtlRun
from rtl.config import ArchConfig
from rtl.counters import COUNTERS
from rtl.isa import ENGINE_COUNT, Fault
from tests.compiler.mapping.hosted import hosted_network
from tests.system.test_differential import QUICK, arch_of, some_trials


def config() -> ArchConfig:
    return arch_of(QUICK[0])


def some_work() -> Work:
    """A program of one segment."""
    trial = some_trials(config(), 3, 1, most_macs=3000)[0]
    return Work(trial.program, trial.case.inputs)


@pytest.mark.parametrize("keep", [False, True], ids=["", "the tensor leaves, too"])
def test_segments_and_host_operators_in_rtl(keep):
    graph = hosted_network(keep=keep)
    program = compile_graph(graph, config())
    (port,) = graph.input_ports
    samples = [np.random.default_rng(k).standard_normal(port.shape).astype(np.float32) for k in range(2)]
    reference = [interpret(graph, {port.name: x}) for x in samples]
    works = [Work(program, {port.tensor: values[port.tensor]}) for values in reference]
    model = program_cycles(program, config())
    for run, values in zip(execute(works, graph, config(), max_cycles=100_000), reference, strict=True):
        assert all(np.array_equal(run.values[name], values[name]) for name in (*program.tensors, *graph.outputs))
        assert run.cycles == model.cycles
        assert np.array_equal(run.counters, model.counters)


def test_works_lie_apart_each_in_a_window_of_its_own():
    work = some_work()
    program, inputs = work.program, work.inputs
    image, jobs = place([work] * 3, [program.segments[0]] * 3, [inputs] * 3, max_cycles=10)
    assert len(image) == 3 * program.image.size
    for number, job in enumerate(jobs):
        base = number * program.image.size
        assert job.window == (base, program.window_bytes)
        assert job.program_address == base + program.segments[0].address
        for (address, size), (name, at) in zip(job.outputs, program.tensors.items(), strict=True):
            assert (address, size) == (base + at.address, at.size)
            if name in inputs:
                assert image[address : address + size] == inputs[name].tobytes()


def run_of(job: ProgramJob, **answer: object) -> RtlRun:
    usual = {
        "cycles": 1, "done": True, "fault": Fault.NONE, "fault_unit": 0, "fault_layer": None, "wall_s": 0.0,
        "build_s": 0.0,
        "counters": np.zeros((job.layers, len(COUNTERS)), np.int64),
        "last_retire": np.zeros((job.layers, ENGINE_COUNT), np.int64),
        "outputs": tuple(Random(0).randbytes(size) for _, size in job.outputs),
    }  # fmt: skip
    return RtlRun(**{**usual, **answer})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            {"done": False, "fault": Fault.DRAM, "fault_unit": 3, "fault_layer": 2},
            r"^the accelerator stopped with fault DRAM in layer 2, seen by unit 3$",
        ),
        (
            {"done": False, "fault": Fault.PROGRAM, "fault_unit": 4},
            r"^the accelerator stopped with fault PROGRAM, seen by unit 4$",
        ),
        ({"done": False}, r"^the program did not end$"),
    ],
)
def test_a_program_that_stops_is_an_error(answer, message, monkeypatch):
    work = some_work()
    monkeypatch.setattr(
        "hwsim.execute.simulate_programs", lambda config, image, jobs, **_: [run_of(job, **answer) for job in jobs]
    )
    with pytest.raises(SimulationError, match=message):
        execute([work], hosted_network(keep=False), config(), max_cycles=10)


def test_a_program_that_does_not_end_in_time_is_an_error():
    work = some_work()
    with pytest.raises(SimulationError, match=r"no interrupt within 20 cycles"):
        execute([work], hosted_network(keep=False), config(), max_cycles=20)


def test_memory_is_as_large_as_the_farthest_window():
    job = ProgramJob(
        program_address=0, program_length=1, window=(4096, 8192), outputs=((9000, 10),), layers=1, max_cycles=1
    )
    assert simulation.memory_top(b"1234", [job]) == 4096 + 8192
