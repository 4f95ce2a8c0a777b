"""The Python API: what the command line calls, and what scripts call."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import hwsim
from compiler.interpreter import interpret
from hwsim.api import estimate, random_inputs, simulate
from hwsim.cycles import program_cycles
from hwsim.errors import InputError
from hwsim.execute import Execution
from hwsim.network import load_network
from rtl.config import ArchConfig, ConfigError
from rtl.counters import COUNTERS
from tests.system.test_differential import QUICK, arch_of
from workloads.registry import WorkloadError

MODEL = "gemm-6x20x9"


def config() -> ArchConfig:
    return arch_of(QUICK[0])


def test_the_package_offers_them():
    assert hwsim.estimate is estimate
    assert hwsim.simulate is simulate


def test_an_estimate_sums_up_its_layers():
    result = estimate(MODEL, "dense-8x8")
    assert result.cycles == sum(layer.cycles for layer in result.layers) > 0
    assert result.macs == 6 * 20 * 9
    assert result.layers[0].counters["macs"] >= result.macs
    assert result.totals()["dram_read_bytes"] == sum(layer.counters["dram_read_bytes"] for layer in result.layers)
    assert 0 < result.utilization <= 1


def test_an_estimate_has_the_keys_that_the_design_promises():
    tree = estimate(MODEL, "dense-8x8").to_json()
    assert {"model", "arch", "clock_mhz", "fidelity", "totals", "layers"} <= set(tree)
    promised = {"name", "op", "engine", "macs", "effective_macs", "cycles", "energy_pj", "dram_read_bytes"}
    for layer in tree["layers"]:
        assert promised | {"dram_write_bytes", "utilization", "bound"} <= set(layer)
        assert set(layer["counters"]) == {counter.name for counter in COUNTERS}


def test_an_architecture_is_a_preset_a_file_or_a_value(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ndense: {rows: 8, cols: 8}\n")
    same = ArchConfig.model_validate({"name": "mine", "dense": {"rows": 8, "cols": 8}})
    assert estimate(MODEL, path).cycles == estimate(MODEL, same).cycles
    with pytest.raises(ConfigError, match=r"^dense-8x9: no such architecture; did you mean dense-8x8\?$"):
        estimate(MODEL, "dense-8x9")


def test_a_network_that_is_not_there():
    with pytest.raises(WorkloadError):
        estimate("gem-1x2x3", "dense-8x8")


def test_random_inputs_come_from_their_seed():
    graph = load_network(MODEL).graph
    first, again, other = (random_inputs(graph, seed)["a"] for seed in (1, 1, 2))
    assert first.shape == (6, 20)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_simulation_agrees_with_its_models():
    run = simulate(MODEL, config(), seed=3)
    assert run.agrees
    assert run.rtl_cycles == run.model_cycles == run.estimate.cycles
    assert (run.mismatched_bytes, run.compared_bytes) == (0, 2 * 6 * 9)
    tree = run.to_json()
    assert {"rtl_cycles", "model_cycles", "mismatched_bytes", "simulator", "wall_s"} <= set(tree)
    for layer in tree["layers"]:
        assert layer["rtl_cycles"] == layer["model_cycles"]
        assert layer["counters"] == layer["counters"] | run.estimate.layers[0].counters


@pytest.fixture
def pretend(monkeypatch):
    """A simulator that answers as predicted, but for what ``change`` does to it."""

    def install(change):
        def execute(works, graph, config, **_):
            runs = []
            for work in works:
                model = program_cycles(work.program, config)
                values = interpret(graph, {graph.input_ports[0].name: next(iter(work.inputs.values()))})
                answer = [
                    type("Run", (), {"cycles": s.cycles, "counters": s.counters, "last_retire": s.last_retire,
                                     "wall_s": 0.0, "build_s": 0.0})()
                    for s in model.segments
                ]  # fmt: skip
                runs.append(change(Execution(dict(values), tuple(answer))))
            return runs

        monkeypatch.setattr("hwsim.execute.execute", execute)

    return install


def flip(run: Execution) -> Execution:
    values = {name: value.copy() for name, value in run.values.items()}
    list(values.values())[-1].flat[0] ^= 1
    return dataclasses.replace(run, values=values)


def delay(run: Execution) -> Execution:
    run.runs[0].cycles += 1
    return run


def miscount(run: Execution) -> Execution:
    run.runs[0].counters = run.runs[0].counters + 1
    return run


def test_a_simulator_as_predicted_agrees(pretend):
    pretend(lambda run: run)
    assert simulate(MODEL, config()).agrees


def test_a_wrong_byte_is_counted(pretend):
    pretend(flip)
    run = simulate(MODEL, config())
    assert not run.agrees
    assert run.mismatched_bytes == 2  # once in the layer's result, once in the network's
    assert run.layers[-1].mismatched_bytes == 1


def test_a_wrong_cycle_is_seen(pretend):
    pretend(delay)
    run = simulate(MODEL, config())
    assert not run.agrees
    assert run.rtl_cycles == run.model_cycles + 1


def test_a_wrong_counter_is_named(pretend):
    pretend(miscount)
    run = simulate(MODEL, config())
    assert not run.agrees
    assert run.layers[0].counter_differences == {counter.name: 1 for counter in COUNTERS}


def test_cycles_do_not_count_where_memory_is_random(pretend):
    pretend(delay)
    assert simulate(MODEL, config(), memory="axiram").agrees


@pytest.mark.parametrize("layers", [["9"], ["0-9"], ["1-0"], ["conv"], ["-"], ["0", "x-1"]])
def test_layers_that_are_not_there(layers, pretend):
    pretend(lambda run: run)
    with pytest.raises(InputError, match=r"^--layers: no layer .*; this network has 0-0, such as "):
        simulate(MODEL, config(), layers=layers)


@pytest.mark.parametrize("layers", [["0"], ["0-0"], ["matmul"]])
def test_layers_by_number_range_or_name(layers, pretend):
    pretend(lambda run: run)
    name = estimate(MODEL, "dense-8x8").layers[0].name
    run = simulate(MODEL, config(), layers=[name if item == "matmul" else item for item in layers])
    assert [layer.compared_bytes for layer in run.layers] == [54]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((6, 21), np.int8), r"^input 'a' takes \[6, 20\], not \[6, 21\]$"),
        ({"b": np.zeros((6, 20), np.int8)}, r"^the model's inputs are a, not b$"),
        ({}, r"^the model's inputs are a, not $"),
        (np.full((6, 20), "x"), r"^input 'a' takes numbers, not <U1$"),
    ],
)
def test_inputs_that_do_not_fit(inputs, message):
    with pytest.raises(InputError, match=message):
        simulate(MODEL, config(), inputs=inputs)
