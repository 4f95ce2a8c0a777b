"""Every preset has a sample program, on every engine that it has; its promises are kept in `test_bench.py`."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.errors import ModelError
from hwsim.errors import InputError
from hwsim.handover.sample import make_sample
from rtl.config import load_arch, preset_names
from rtl.isa import Compute, Sparse


@pytest.mark.parametrize("preset", preset_names())
def test_a_sample_uses_every_engine(preset):
    config = load_arch(preset)
    sample = make_sample(config)
    kinds = {type(instruction) for instruction in sample.segment.instructions}
    assert (Compute in kinds) == (config.dense_engine is not None)
    assert (Sparse in kinds) == (config.sparse_engine is not None)
    assert sample.model.cycles < 5000


@pytest.mark.parametrize("preset", preset_names())
def test_its_result_is_worth_comparing(preset):
    (output,) = make_sample(load_arch(preset)).outputs
    values = np.frombuffer(output.data, np.int8)
    assert len(set(values.tolist())) > 3


def test_the_same_hardware_gets_the_same_sample():
    first, second = (make_sample(load_arch("hybrid-16x16-eie-16")) for _ in range(2))
    assert (first.image, first.outputs) == (second.image, second.outputs)


def test_memories_too_small_are_said_to_be(monkeypatch):
    def refuse(*arguments, **settings):
        raise ModelError("no room")

    monkeypatch.setattr("hwsim.handover.sample.compile_graph", refuse)
    with pytest.raises(InputError, match=r"^dense-8x8: too small for the sample program .*raise the sizes in `memory`"):
        make_sample(load_arch("dense-8x8"))
