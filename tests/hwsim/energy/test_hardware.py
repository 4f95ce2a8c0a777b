"""What the energy model says is on the chip is what the RTL has."""

from __future__ import annotations

import re

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Fragment

import rtl.accelerator
from hwsim.energy.hardware import (
    LANE_STATE_BITS,
    SPARSE_LANE_STATE_BITS,
    array_bits,
    flip_flops,
    memories,
    pe_bits,
    queue_bits,
)
from rtl.cell import Cell
from rtl.config import ArchConfig, DenseConfig, MemoryConfig, SparseConfig
from rtl.dense.lane import Lane
from rtl.dense.output_stationary.column import Column as OutputColumn
from rtl.dense.weight_stationary.column import Column as WeightColumn
from rtl.post.sparse_path import SparseLane
from rtl.scratchpad import Scratchpad
from rtl.sparse.pe import ProcessingElement

SMALL = ArchConfig(
    dense=DenseConfig(rows=3, cols=4, depthwise_taps=2),
    memory=MemoryConfig(ifm_kib=2, ofm_kib=4, weight_kib=1, param_kib=1, accumulators=16),
)


def state_bits(cell: Cell) -> int:
    """Flip-flops in the netlist of a cell."""
    ports = [value for _, _, value in cell.signature.flatten(cell)]
    text = rtlil.convert(cell.body(), ports=ports, emit_src=False)
    return sum(int(width) for width in re.findall(r"cell \$dff .*?parameter \\WIDTH (\d+)", text, re.DOTALL))


@pytest.mark.parametrize("dense", [(2, 2, 0), (3, 4, 2), (16, 5, 7)])
def test_flip_flops_of_the_array_are_counted_exactly(dense: tuple[int, int, int]) -> None:
    rows, cols, taps = dense
    config = ArchConfig(dense=DenseConfig(rows=rows, cols=cols, depthwise_taps=taps))
    assert cols * state_bits(WeightColumn(config)) == array_bits(config)
    streams = ArchConfig(dense=DenseConfig(rows=rows, cols=cols, depthwise_taps=0, dataflow="output_stationary"))
    assert cols * state_bits(OutputColumn(streams)) == array_bits(streams)


@pytest.mark.parametrize("accumulators", [16, 512])
def test_a_lane_has_about_the_flip_flops_that_it_is_taken_to_have(accumulators: int) -> None:
    config = SMALL.model_copy(update={"memory": MemoryConfig(accumulators=accumulators)})
    assert state_bits(Lane(config)) == pytest.approx(LANE_STATE_BITS, rel=0.05)


@pytest.mark.parametrize(
    "sparse",
    [
        SparseConfig(),
        SparseConfig(pes=64, spmat_kib=128, pointers=16384, accumulators=256),
        SparseConfig(weights="int8", code_bits=8, index_bits=3, row_bytes=4, tables=1, fifo_depth=3),
        SparseConfig(fifo_depth=16, tables=16, index_bits=8, code_bits=2, accumulators=16),
    ],
)
def test_flip_flops_of_a_sparse_pe_are_counted_exactly(sparse: SparseConfig) -> None:
    pe = ProcessingElement(ArchConfig(dense=None, sparse=sparse))
    # The netlist keeps the queue as a memory.
    assert state_bits(pe) == pe_bits(sparse) - sparse.fifo_depth * queue_bits(sparse)


def test_flip_flops_of_a_sparse_lane_are_counted_exactly() -> None:
    assert state_bits(SparseLane()) == SPARSE_LANE_STATE_BITS


def test_flip_flops_grow_with_the_array() -> None:
    larger = ArchConfig(dense=DenseConfig(rows=32, cols=32))
    assert flip_flops(larger) - flip_flops(ArchConfig()) > array_bits(larger) - array_bits(ArchConfig())


def test_scratchpads_are_those_of_the_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[tuple[int, int, int]] = []

    def record(*, banks: int, kib: int, reads: int, gather: bool = False) -> Scratchpad:
        built.append((banks, kib, reads + gather))
        return Scratchpad(banks=banks, kib=kib, reads=reads, gather=gather)

    monkeypatch.setattr(rtl.accelerator, "Scratchpad", record)
    Fragment.get(rtl.accelerator.Accelerator(SMALL), None)
    found = memories(SMALL)
    modelled = [found[name] for name in ("ifm", "ofm", "weight", "param")]
    assert sorted(built) == sorted((memory.banks, int(memory.kib), memory.read_ports) for memory in modelled)


def test_accumulators_are_two_halves_in_every_lane() -> None:
    accumulator = memories(SMALL)["accumulator"]
    assert accumulator.banks == 2 * 4
    assert accumulator.kib * 1024 == 2 * 4 * 16 * 4
