"""Cycles from densities alone: within 5 % of the exact timing, whatever the layer and the engine."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.sparse.balance import balance
from compiler.sparse.csc import encode
from compiler.sparse.engine import EngineRun, run
from compiler.sparse.expectation import LayerDensity, expect, expected_padding
from rtl.config import ArchConfig, SparseConfig
from workloads import eie

EIE = ArchConfig(dense=None, sparse=SparseConfig(pes=64, fifo_depth=8, spmat_kib=128, pointers=16384, accumulators=256))


def exact(name: str, *, balanced: bool = False) -> EngineRun:
    layer = eie.generate(name)
    codes, active = (layer.weights != 0).astype(np.uint8), layer.activations != 0
    if balanced:
        codes = codes[balance(codes != 0, EIE.sparse, active.astype(float))]
    return run(encode(codes, EIE.sparse), active[None], EIE)


def densities(name: str, *, balanced: bool = False) -> LayerDensity:
    row = eie.layers()[name]
    return LayerDensity(
        rows=row.outputs, columns=row.inputs, weights=row.weight_pct / 100, activations=row.act_pct / 100,
        balanced=balanced,
    )  # fmt: skip


QUICK = ["eie/alex-8", "eie/vgg-8", "eie/nt-we", "eie/nt-wd", "eie/nt-lstm"]
ALL = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in eie.layers()]


@pytest.mark.parametrize("name", ALL)
def test_layers_of_eie(name: str) -> None:
    found, expected = exact(name), expect(densities(name), EIE)
    assert expected.cycles == pytest.approx(found.cycles, rel=0.05)
    assert expected.entries == pytest.approx(found.entries, rel=0.01)
    assert expected.broadcasts == pytest.approx(found.broadcasts, rel=0.001)


@pytest.mark.parametrize("name", ["eie/vgg-8", "eie/nt-we"])
def test_layers_of_eie_with_their_rows_spread(name: str) -> None:
    found, expected = exact(name, balanced=True), expect(densities(name, balanced=True), EIE)
    assert expected.cycles == pytest.approx(found.cycles, rel=0.05)


@pytest.mark.parametrize("seed", range(12))
def test_random_layers_on_random_engines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sparse = SparseConfig(
        pes=1 << int(rng.integers(0, 7)), lanes=1, fifo_depth=1 << int(rng.integers(0, 5)),
        index_bits=int(rng.integers(2, 9)), spmat_kib=128, pointers=16384,
    )  # fmt: skip
    config = ArchConfig(dense=None, sparse=sparse)
    rows, columns, vectors = int(rng.integers(1, 600)), int(rng.integers(16, 2500)), int(rng.choice([1, 4, 20]))
    codes = (rng.random((rows, columns)) < rng.choice([0.01, 0.1, 0.4, 1])).astype(np.uint8)
    active = rng.random((vectors, columns)) < rng.choice([0.05, 0.2, 0.6, 1])
    found = run(encode(codes, sparse), active, config)
    layer = LayerDensity(
        rows=rows, columns=columns, vectors=vectors, weights=float(codes.mean()), activations=float(active.mean())
    )
    assert expect(layer, config).cycles == pytest.approx(found.cycles, rel=0.05)


@pytest.mark.parametrize(("rows", "density", "index_bits"), [(900, 0.05, 2), (900, 0.02, 4), (33, 0.3, 2)])
def test_padding_in_closed_form(rows: int, density: float, index_bits: int) -> None:
    sparse = SparseConfig(pes=4, lanes=1, index_bits=index_bits)
    matrix = encode(np.random.default_rng(0).random((rows, 4000)) < density, sparse)
    assert expected_padding(rows, density, sparse) == pytest.approx(matrix.padding / 4000, rel=0.04)


@pytest.mark.parametrize(("weights", "activations"), [(0.0, 0.5), (0.5, 0.0), (0.0, 0.0)])
def test_nothing_to_do_takes_the_scan(weights: float, activations: float) -> None:
    layer = LayerDensity(rows=64, columns=6400, weights=weights, activations=activations)
    codes, active = np.zeros((64, 6400), np.uint8), np.zeros((1, 6400), np.bool_)
    if weights:
        codes[:, ::2] = 1
    if activations:
        active[:, ::2] = True
    found = run(encode(codes, EIE.sparse), active, EIE)
    assert expect(layer, EIE).cycles == pytest.approx(found.cycles, rel=0.05)


def test_refuses_a_share_beyond_one() -> None:
    with pytest.raises(ModelError, match=r"^a share of weights other than zero is 0 to 1, not 9$"):
        LayerDensity(rows=4, columns=4, weights=9, activations=0.3)
    with pytest.raises(ModelError, match=r"^a layer of 0 x 4 on 1 vectors has nothing to do$"):
        LayerDensity(rows=0, columns=4, weights=0.1, activations=0.3)
