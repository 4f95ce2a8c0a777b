"""What weights in a format without a PE would cost: by precision, marked, and beside what they cost as int8."""

from __future__ import annotations

import itertools
import json

import numpy as np
import onnx
import pytest

import hwsim
from compiler.compress.recipe import Recipe, parse_recipe
from compiler.errors import ModelError
from compiler.interpreter import interpret
from compiler.passes.low_planes import has_two_planes, low_planes, planes
from hwsim.energy.formats import INDEX_BITS
from hwsim.energy.model import EnergyModel
from hwsim.network import load_network
from hwsim.report.tables import estimate_table
from rtl.config import load_arch

MODEL, ARCH = "digits-mlp", "dense-8x8"
NONE = [
    "ternary",
    "power-of-two",
    "dual-plane",
    {"name": "uniform", "bits": 4},
    {"name": "codebook", "bits": 4},
    "binary",
]


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    """The path of the network with its weights in a format."""
    folder = tmp_path_factory.mktemp("formats")

    number = itertools.count()

    def make(weights):
        path = folder / f"{next(number)}.onnx"
        hwsim.compress(MODEL, Recipe.model_validate({"steps": [{"quantise": {"weights": weights}}]}), output=path)
        return str(path)

    return make


@pytest.mark.parametrize("weights", NONE, ids=str)
def test_without_a_pe_it_is_estimated_and_marked(quantised, weights):
    found = hwsim.estimate(quantised(weights), ARCH)
    assert [layer.weight_format.pe for layer in found.layers] == [False] * 3
    caption = str(estimate_table(found).caption)
    assert f"weights in {found.layers[0].weight_format.name} (no PE: estimated): dense1, dense2, classifier:" in caption
    tree = found.to_json()["layers"][0]["weight_format"]
    assert tree["pe"] is False
    assert tree["energy_pj"]["total"] == pytest.approx(sum(v for k, v in tree["energy_pj"].items() if k != "total"))


def test_int8_has_a_pe(quantised):
    found = hwsim.estimate(quantised("uniform"), ARCH)
    assert [layer.weight_format.pe for layer in found.layers] == [True] * 3
    assert all(layer.weight_format.energy_pj is None for layer in found.layers)
    assert "no PE" not in str(estimate_table(found).caption)


def test_a_codebook_has_a_pe_on_an_engine_of_codes(quantised):
    found = hwsim.estimate(quantised({"name": "codebook", "bits": 4}), "eie-64")
    assert {(layer.engine, layer.weight_format.pe) for layer in found.layers} == {("sparse", True)}


def test_ternary_weights_are_added_and_move_as_two_bits(quantised):
    """By hand, of one layer."""
    layer = hwsim.estimate(quantised("ternary"), ARCH).layers[0]
    model, counts = EnergyModel(load_arch(ARCH)), layer.counters
    own, here = layer.weight_format.energy_pj, layer.energy_pj
    assert here.mac - own.mac == pytest.approx(counts["macs"] * model.table.multiply_pj(8, 8))
    assert here.dram - own.dram == pytest.approx(counts["weight_write_bytes"] * 0.75 * 8 * model.dram.pj_per_bit)
    assert own.sram < here.sram
    assert own.register < here.register
    assert own.leakage == here.leakage


def test_two_planes_compute_what_onnx_runtime_does(quantised):
    import onnxruntime

    path = quantised("dual-plane")
    graph = load_network(path).graph
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    port, out = graph.input_ports[0], graph.output_ports[0]
    x = np.random.default_rng(0).random((20, *port.shape[1:])).astype(np.float32)
    for sample in x:
        (want,) = session.run(None, {port.name: sample[None]})
        values = interpret(graph, {port.name: sample[None]})
        np.testing.assert_allclose(
            out.release(values[out.tensor], graph.tensor(out.tensor)).reshape(-1), want.reshape(-1), atol=1e-6
        )


def test_of_two_planes_the_low_one_is_mapped_and_both_are_priced(quantised):
    path = quantised("dual-plane")
    graph, layer = load_network(path).graph, hwsim.estimate(path, ARCH).layers[0]
    op = graph.operator(layer.name)
    assert has_two_planes(op)
    low, high = planes(op.weights)
    np.testing.assert_array_equal(low_planes(graph).operator(layer.name).weights, low)
    assert layer.energy_pj == layer.weight_format.energy_pj
    share, model = np.count_nonzero(high) / high.size, EnergyModel(load_arch(ARCH))
    assert 0 < share < 0.05
    weights = layer.counters["weight_write_bytes"] * 8 * model.dram.pj_per_bit
    beats = layer.counters["dram_read_beats"] + layer.counters["dram_write_beats"]
    moved = beats * sum(model.event_pj("dram_read_beats").values())
    assert layer.energy_pj.dram == pytest.approx(moved + weights * share * (8 + INDEX_BITS) / 8)


@pytest.mark.parametrize("arch", ["dense-8x8", "hybrid-16x16-eie-16"])
def test_two_planes_are_not_simulated(quantised, arch):
    with pytest.raises(
        ModelError, match=r"^dense1: its weights have two planes of 8 bits, which no engine runs yet: hwsim estim"
    ):
        hwsim.simulate(quantised("dual-plane"), arch)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", r"its metadata 'hwsim.formats' is not a JSON object; remove it"),
        ("{", r"its metadata 'hwsim.formats' is not a JSON object; remove it"),
        (
            '{"dense1": {"name": "x", "bits": 99, "arithmetic": "int8"}}',
            r"gives layer 'dense1' a format that is none: name, bits",
        ),
        ('{"dense1": {"name": "x", "bits": 4, "arithmetic": "magic"}}', r"gives layer 'dense1' a format that is none"),
        ('{"dense1": 4}', r"gives layer 'dense1' a format that is none"),
    ],
)
def test_metadata_that_cannot_be(quantised, tmp_path, text, message):
    model = onnx.load(quantised("ternary"))
    assert "dense1" in json.loads({p.key: p.value for p in model.metadata_props}["hwsim.formats"])
    onnx.helper.set_model_props(model, {"hwsim.formats": text})
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(ModelError, match=message):
        load_network(str(tmp_path / "odd.onnx"))


def test_xnor_is_refused_with_what_to_do():
    wanted = r"^r\.yaml: steps\.0\.quantise: quantiser 'xnor': its activations are signs too.*'binary' is its weights"
    with pytest.raises(ModelError, match=wanted):
        parse_recipe("steps: [{quantise: {weights: xnor}}]", "r.yaml")
