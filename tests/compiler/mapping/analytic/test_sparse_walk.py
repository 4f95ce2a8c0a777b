"""Sparse plans on the machine: told what every SPARSE has to do, they take what the cycle model says, to the last one.

So all that `analytic` does not know of a sparse layer is which of its activations are zero.
"""

from __future__ import annotations

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.interpreter import interpret
from compiler.mapping.analytic import cycles as analytic
from compiler.mapping.analytic.cycles import plan_cycles
from compiler.mapping.compile import compile_plans
from compiler.mapping.planner import plan_graph
from compiler.mapping.sparse.expected import flow_of
from compiler.mapping.sparse.nest import nests
from compiler.mapping.sparse.plan import SparsePlan
from hwsim.activity import program_works
from hwsim.cycles import program_cycles
from tests.system.random_sparse import random_sparse_arch, random_sparse_case


class Told:
    """What SPARSEs take, from all that they have to do, in the order of the program."""

    def __init__(self, works, config, plan):
        self.works, self.config, self.plan = works, config, plan

    def of(self, block, part, step):
        return [flow_of(next(self.works), self.config.sparse) for _ in nests(self.plan.job, part.start, part.stop)]


def _compare(monkeypatch, seeds):
    layers = behind = equal = 0
    for seed in seeds:
        case, config = random_sparse_case(seed, most_macs=12_000), random_sparse_arch(seed)
        try:
            plans = plan_graph(case.graph, config, engine="sparse")
        except ModelError:
            continue  # it does not fit
        program = compile_plans(case.graph, config, plans)
        values = interpret(case.graph, case.inputs)
        works = [list(found) for found in program_works(program, config, values) or ()]
        exact = program_cycles(program, config, works or None).layers
        every = iter([work for found in works for work in found])
        monkeypatch.setattr(analytic, "ExpectedFlows", lambda plan, config, _, every=every: Told(every, config, plan))
        density = {plan.job.source: 1.0 for plan in plans}
        found = plan_cycles(plans, config, density)
        # Which place of the queue of chunks is free first is no maximum of cycles: one here and there.
        np.testing.assert_allclose(found, exact, rtol=0.002, err_msg=f"seed {seed}")
        assert next(every, None) is None, f"seed {seed}: SPARSEs of the program that the walk has not"
        sparse = sum(isinstance(plan, SparsePlan) for plan in plans)
        layers, behind, equal = layers + len(plans), behind + max(0, sparse - 1), equal + np.sum(found == exact)
    assert behind > len(seeds) // 4, "too few sparse layers behind others"
    assert equal >= layers - 1


def test_sparse_layers_told_what_is_zero_take_what_the_cycle_model_says(monkeypatch):
    _compare(monkeypatch, range(60))


@pytest.mark.slow
def test_many_more_of_them(monkeypatch):
    _compare(monkeypatch, range(60, 200))
