"""Every event that costs energy is priced, once for each thing that it stands for; the others are listed as free."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.energy.model import EnergyModel
from hwsim.energy.options import with_technology
from hwsim.energy.prices import COMPONENTS, FREE, PRICES
from hwsim.energy.table import table_names
from rtl.config import ArchConfig, DenseConfig, SparseConfig
from rtl.counters import COUNTERS
from rtl.isa import Engine

STALLS = {counter.name for counter in COUNTERS if "_waits_for_" in counter.name}


def test_every_counter_is_priced_or_free() -> None:
    priced = {price.counter for price in PRICES}
    assert not priced & (FREE.keys() | STALLS)
    assert priced | FREE.keys() | STALLS == {counter.name for counter in COUNTERS}


def test_there_is_a_stall_for_every_pair_of_engines() -> None:
    assert len(STALLS) == len(Engine) * (len(Engine) - 1)


def test_nothing_is_priced_twice() -> None:
    places = [(price.counter, price.component) for price in PRICES]
    assert len(set(places)) == len(places)


def test_events_cost_nothing_as_leakage() -> None:
    assert "leakage" not in {price.component for price in PRICES}


@pytest.mark.parametrize("table", table_names())
def test_the_free_cost_nothing_and_the_priced_something(table: str) -> None:
    both = ArchConfig(sparse=SparseConfig())
    weights = EnergyModel(with_technology(both, table=table)).event_weights()
    priced = {price.counter for price in PRICES}
    assert {c.name for c, weight in zip(COUNTERS, weights, strict=True) if weight > 0} == priced
    assert np.count_nonzero(weights) == len(priced)


@pytest.mark.parametrize(
    ("absent", "config"),
    [("sp", ArchConfig()), ("weight", ArchConfig(dense=None, sparse=SparseConfig()))],
)
def test_what_an_absent_engine_counts_costs_nothing(absent: str, config: ArchConfig) -> None:
    weights = EnergyModel(config).event_weights()
    assert not any(weight for c, weight in zip(COUNTERS, weights, strict=True) if c.name.startswith(absent))


def test_weights_that_stream_are_priced_with_the_stream() -> None:
    stays, streams = (
        EnergyModel(ArchConfig(dense=DenseConfig(dataflow=dataflow, depthwise_taps=0))).price(
            np.eye(len(COUNTERS), dtype=np.int64), np.zeros(len(COUNTERS), np.int64)
        )[:, COMPONENTS.index("register")]
        for dataflow in ("weight_stationary", "output_stationary")
    )
    column = {counter.name: index for index, counter in enumerate(COUNTERS)}
    # 256 PEs: 8 bits of activation and 20 of sum; or 8 of activation, 8 of weight and 32 of sum. At 9 fJ a bit.
    assert stays[column["stream_cycles"]] == pytest.approx(256 * 28 * 0.009)
    assert streams[column["stream_cycles"]] == pytest.approx(256 * 48 * 0.009)
    assert stays[column["weight_read_bytes"]] == pytest.approx(16 * 0.009)
    assert streams[column["weight_read_bytes"]] == 0


def test_components_are_the_fields_of_a_result() -> None:
    from dataclasses import fields

    from hwsim.results import EnergyPj

    assert tuple(spec.name for spec in fields(EnergyPj)) == COMPONENTS
