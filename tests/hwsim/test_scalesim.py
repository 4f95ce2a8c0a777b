"""SCALE-Sim's closed forms equal the published oracle, and our array is never slower."""

from __future__ import annotations

import json

import pytest

from hwsim.scalesim import DATAFLOWS, Product, array_cycles, compare, scalesim_cycles
from rtl.config import ArchConfig, DenseConfig, MemoryConfig, load_arch
from workloads.reference.accelerators import SCALESIM_ORACLE, ScaleSimRun

ORACLE = SCALESIM_ORACLE.rows()


def product(row: ScaleSimRun) -> Product:
    return Product(row.m_pixels, row.k_window, row.n_filters)


def array(size: int, dataflow: str) -> ArchConfig:
    return ArchConfig(
        dense=DenseConfig(rows=size, cols=size, dataflow=dataflow, depthwise_taps=0),
        memory=MemoryConfig(accumulators=4096),
    )


def test_the_closed_forms_equal_every_row_of_the_oracle():
    assert len(ORACLE) == 1575
    for row in ORACLE:
        cycles = scalesim_cycles(product(row), row.array, row.array, row.dataflow)
        assert cycles == row.cycles_closed_form, row


def test_the_closed_forms_equal_the_tool_where_it_was_run():
    ran = [row for row in ORACLE if row.cycles_run is not None]
    assert len(ran) == 109
    for row in ran:
        assert scalesim_cycles(product(row), row.array, row.array, row.dataflow) == row.cycles_run, row


def test_a_group_is_a_layer_of_its_own():
    one = Product(49, 9, 1)
    many = Product(49, 9, 1, groups=32)
    for dataflow in DATAFLOWS:
        assert scalesim_cycles(many, 16, 16, dataflow) == 32 * scalesim_cycles(one, 16, 16, dataflow)


def slower(dataflow: str, ours: str, size: int) -> set[tuple[str, int, int, int, int]]:
    layers = {
        (row.net, product(row))
        for row in ORACLE
        if row.net in {"alexnet", "resnet50"} and row.dataflow == dataflow and row.array == size
    }
    assert len(layers) > 20
    return {
        (net, size, p.m, p.k, p.n)
        for net, p in layers
        if array_cycles(p, array(size, ours)) > scalesim_cycles(p, size, size, dataflow)
    }


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_our_weight_stationary_array_is_never_slower(size: int):
    assert slower("ws", "weight_stationary", size) == set()


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_our_output_stationary_array_is_never_slower(size: int):
    assert slower("os", "output_stationary", size) == set()


def test_one_fold_costs_its_pixels_and_the_way_through_array_and_output_stage():
    """All of a fold is in flight at once: weights arrive beside the stream, and the output stage follows the sums."""
    pixels, size = 3136, 64
    decode_and_first_row, gather, array_rows = 4, 3, size
    token_decode_and_params, lanes = 1 + 3 + 8, 10 + size - 1
    way = decode_and_first_row + gather + array_rows + token_decode_and_params + lanes
    layer = Product(pixels, size, size)
    assert array_cycles(layer, array(size, "weight_stationary")) == way + pixels == 3292
    assert scalesim_cycles(layer, size, size, "ws") == 3 * size - 2 + pixels - 1 == 3325


def test_loading_weights_beside_the_stream_saves_the_fill_and_drain_of_every_fold():
    """A fold costs SCALE-Sim 2R + C - 2 cycles beside its pixels; ours follow one another without a gap."""
    layer = Product(m=512, k=16 * 32, n=16)
    ours, theirs = array_cycles(layer, array(16, "weight_stationary")), scalesim_cycles(layer, 16, 16, "ws")
    fill_and_drain_once = 3 * 16 + 64
    assert 32 * 512 < ours < 32 * 512 + 512 + fill_and_drain_once
    assert theirs == 32 * (512 + 46) - 1


def test_a_network_is_compared_layer_by_layer():
    comparison = compare("gemm-40x72x24", load_arch("dense-8x8"))
    tree = json.loads(json.dumps(comparison.to_json()))
    assert (tree["rows"], tree["cols"], tree["dataflow"]) == (8, 8, "ws")
    (layer,) = tree["layers"]
    assert (layer["m"], layer["k"], layer["n"], layer["groups"]) == (40, 72, 24, 1)
    assert layer["scalesim_cycles"] == {"ws": 27 * (40 + 22) - 1, "os": 15 * (72 + 14) - 1, "is": 45 * (24 + 22) - 1}
    ideal = 40 * 72 * 24 // 64
    assert ideal < layer["array_cycles"] < layer["cycles"]


def test_a_depthwise_convolution_is_no_matrix_product_of_ours():
    tree = compare("digits-cnn", load_arch("dense-8x8")).to_json()
    arrays = {layer["name"]: layer["array_cycles"] for layer in tree["layers"]}
    assert [name for name, cycles in arrays.items() if cycles is None] == ["depthwise"]
