"""Bytes by level, the place under the roofline, and what binds a layer."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.bandwidth import LEVELS, bandwidth
from rtl.config import ArchConfig, BusConfig, DenseConfig, DramConfig, SparseConfig
from rtl.counters import COUNTERS

CONFIG = ArchConfig(dense=DenseConfig(rows=16, cols=16), bus=BusConfig(data_bytes=16), dram=DramConfig(beat_interval=2))
INDEX = {counter.name: index for index, counter in enumerate(COUNTERS)}


def layer(cycles: int, **events: int):
    counters = np.zeros((1, len(COUNTERS)), np.int64)
    for name, count in events.items():
        counters[0, INDEX[name]] = count
    return bandwidth(counters, np.array([cycles]), CONFIG).layer(0)


def test_every_byte_counter_is_on_a_level() -> None:
    events = [name for read, write in LEVELS.values() for name in (*read, *write)]
    placed = [name for name in events if name.endswith("_bytes")]
    assert len(set(placed)) == len(placed)
    assert {name for name in INDEX if name.endswith("_bytes")} == set(placed)


def test_bytes_are_counted_by_level_and_direction() -> None:
    found = layer(100, ifm_read_bytes=7, skip_ifm_bytes=2, ifm_write_bytes=5, acc_reads=3, requantized=4, acc_writes=6)
    assert (found.levels["ifm"].read, found.levels["ifm"].write) == (9, 5)
    # 32-bit sums.
    assert (found.levels["accumulator"].read, found.levels["accumulator"].write) == (28, 24)
    assert (found.levels["dram"].read, found.levels["dram"].write) == (0, 0)


def test_burst_efficiency_is_bytes_asked_over_bytes_moved() -> None:
    found = layer(
        100, dram_read_bytes=40, dram_read_beats=4, dram_read_bursts=2, dram_write_bytes=8, dram_write_beats=1,
        dram_write_bursts=1,
    )  # fmt: skip
    assert found.dram_efficiency == pytest.approx(48 / (5 * 16))
    assert found.dram_burst_beats == pytest.approx(5 / 3)
    # Four beats of two cycles each on the read channel, which is the busier.
    assert found.dram_utilization == pytest.approx(8 / 100)


def test_under_the_slope_the_roof_is_the_busier_direction() -> None:
    found = layer(
        200, macs=6400, stream_cycles=25, dram_read_bytes=640, dram_read_beats=40, dram_read_bursts=1,
        dram_write_bytes=160, dram_write_beats=10, dram_write_bursts=1,
    )  # fmt: skip
    assert found.intensity_macs_per_byte == pytest.approx(8)
    assert found.attainable_macs_per_cycle == pytest.approx(6400 / 80)
    assert found.achieved_macs_per_cycle == pytest.approx(32)


def test_under_the_flat_roof_the_array_is_the_limit() -> None:
    found = layer(110, macs=25600, stream_cycles=100, dram_read_bytes=16, dram_read_beats=1, dram_read_bursts=1)
    assert found.attainable_macs_per_cycle == CONFIG.macs_per_cycle
    assert found.bound == "compute"


def test_without_traffic_there_is_no_intensity() -> None:
    found = layer(10, macs=256, stream_cycles=1)
    assert found.intensity_macs_per_byte is None
    assert (found.dram_efficiency, found.dram_burst_beats, found.dram_utilization) == (1, 0, 0)


@pytest.mark.parametrize(
    ("bound", "cycles", "events"),
    [
        ("compute", 100, {"stream_cycles": 60, "dram_read_beats": 20}),
        ("dram_read", 100, {"stream_cycles": 60, "dram_read_beats": 40}),
        ("dram_write", 100, {"stream_cycles": 60, "dram_write_beats": 40}),
        ("post", 100, {"stream_cycles": 60, "requantized": 16 * 61 + 1}),
        ("fill_drain", 100, {"stream_cycles": 49, "dram_read_beats": 24}),
        ("compute", 98, {"stream_cycles": 49, "dram_read_beats": 24}),
        ("dram_read", 0, {"stream_cycles": 5, "dram_read_beats": 3}),
        ("fill_drain", 0, {}),
    ],
)
def test_what_is_busy_longest_binds_if_it_is_busy_half_the_time(
    bound: str, cycles: int, events: dict[str, int]
) -> None:
    assert layer(cycles, **events).bound == bound


@pytest.mark.parametrize(
    ("bound", "events"),
    [
        ("compute", {"sparse_cycles": 90, "sparse_macs": 70 * 4, "sparse_padding": 5 * 4, "sparse_broadcasts": 20}),
        ("broadcast", {"sparse_cycles": 90, "sparse_macs": 40 * 4, "sparse_broadcasts": 80}),
        ("load_imbalance", {"sparse_cycles": 90, "sparse_macs": 40 * 4, "sparse_broadcasts": 20}),
        ("dram_read", {"sparse_cycles": 60, "sparse_macs": 60 * 4, "dram_read_beats": 70}),
        ("fill_drain", {"sparse_cycles": 40, "sparse_macs": 40 * 4}),
    ],
)
def test_the_sparse_engine_is_bound_by_its_entries_or_its_broadcasts_or_its_balance(
    bound: str, events: dict[str, int]
) -> None:
    config = ArchConfig(dense=None, sparse=SparseConfig(pes=4, lanes=2, row_bytes=4))
    counters = np.zeros((1, len(COUNTERS)), np.int64)
    for name, count in (events | {"sparse_rows": 9}).items():
        counters[0, INDEX[name]] = count
    found = bandwidth(counters, np.array([100]), config).layer(0)
    assert found.bound == bound
    assert found.levels["spmat"].read == 9 * 4
    assert found.levels["pointer"].read == events.get("sparse_broadcasts", 0) * 4 * 4
    assert found.achieved_macs_per_cycle == events["sparse_macs"] / 100


def test_many_layers_are_as_one_by_one() -> None:
    rng = np.random.default_rng(2)
    counters = rng.integers(0, 1000, (6, len(COUNTERS)))
    cycles = rng.integers(0, 1000, 6)
    together = bandwidth(counters, cycles, CONFIG)
    for index in range(6):
        alone = bandwidth(counters[index : index + 1], cycles[index : index + 1], CONFIG)
        assert together.layer(index) == alone.layer(0)
