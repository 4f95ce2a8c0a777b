"""The pass that spreads rows over PEs: outputs stay what they were, in their own order, and work gets more even."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest

from compiler.interpreter import interpret, read_outputs
from compiler.ir import Conv
from compiler.mapping.engines import runs_sparse
from compiler.sparse.absorb import balance_rows
from compiler.sparse.balance import work
from rtl.config import ArchConfig, SparseConfig
from tests.system.random_sparse import random_sparse_case

CONFIG = ArchConfig(dense=None, sparse=SparseConfig(pes=4, lanes=2, code_bits=8))


def balanced(graph, activity=None):
    return balance_rows(graph, CONFIG.sparse, partial(runs_sparse, graph, CONFIG), activity)


@pytest.fixture
def _any_order(monkeypatch):
    """Whatever the balance would find: most small layers are best as they are."""

    def shuffled(nonzero, *_):
        return np.random.default_rng(len(nonzero)).permutation(len(nonzero))

    monkeypatch.setattr("compiler.sparse.absorb.balance", shuffled)


@pytest.mark.usefixtures("_any_order")
def test_outputs_are_what_they_were():
    moved = 0
    for seed in range(300):
        case = random_sparse_case(seed, most_macs=4_000)
        twin, _ = balanced(case.graph)
        twin.verify()
        before, after = interpret(case.graph, case.inputs), interpret(twin, case.inputs)
        expected = read_outputs(case.graph, before)
        for name, value in read_outputs(twin, after).items():
            np.testing.assert_array_equal(value, expected[name], err_msg=f"{name} of {case}")
        moved += any(not np.array_equal(after[name], before[name]) for name in before)
    assert moved > 25, "too few tensors change their order for this to be a test"


@pytest.mark.usefixtures("_any_order")
def test_the_activity_of_a_tensor_moves_with_its_channels():
    for seed in range(60):
        case = random_sparse_case(seed, most_macs=4_000)
        before = interpret(case.graph, case.inputs)
        twin, activity = balanced(case.graph, {name: (v != 0).astype(np.float32) for name, v in before.items()})
        after = interpret(twin, case.inputs)
        assert activity is not None
        for name, value in after.items():
            np.testing.assert_array_equal(activity[name], value != 0, err_msg=name)


@pytest.mark.parametrize("where", ["fc", "chain"])
def test_rows_that_differ_widely_are_spread(where):
    case = next(c for c in map(random_sparse_case, range(400)) if _is_chain(c.graph) == (where == "chain"))
    (op, *_) = case.graph.select(Conv)
    rng = np.random.default_rng(1)
    dense_rows = np.arange(op.weights.shape[3]) % 4 == 0  # all of them in PE 0 as they come
    weights = (rng.random(op.weights.shape) < np.where(dense_rows, 0.9, 0.1)).astype(np.int16)
    case.graph.replace(op.name, dataclasses.replace(op, weights=weights))
    twin, _ = balanced(case.graph)
    (moved, *_) = twin.select(Conv)

    def largest(conv: Conv) -> float:
        matrix = conv.weights.reshape(-1, conv.weights.shape[3]).T != 0
        return work(matrix, CONFIG.sparse, np.ones(matrix.shape[1])).max()

    assert largest(moved) < 0.75 * largest(case.graph.select(Conv)[0])


def _is_chain(graph) -> bool | None:
    """Whether two convolutions follow one another; None if the first is not for this test."""
    ops = graph.operators()
    first = ops[0]
    if not isinstance(first, Conv) or first.groups > 1 or first.residual or first.weights.shape[3] < 15:
        return None
    if len(ops) == 1:
        return False
    if len(ops) == 2 and isinstance(ops[1], Conv) and ops[1].groups == 1 and not ops[1].residual:
        return ops[1].inputs[0] == first.output
    return None
