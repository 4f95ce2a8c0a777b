"""A sparse PE's events are counted as they are simulated, and energies that were put in come out of the fit again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwsim.silicon.characterisation.fitting import EventEnergies, Observation, fit_events
from hwsim.silicon.characterisation.sparse_stream import EVENTS, idle_stream, pruned, stream
from hwsim.silicon.characterisation.specimen import Specimen
from hwsim.silicon.library.technology import prepare
from hwsim.silicon.switching.operands import layer_operands
from hwsim.silicon.switching.power import Energy
from hwsim.silicon.switching.stimulus import Stimulus
from hwsim.silicon.synthesis.cells import Recipe
from rtl.config import ArchConfig, SparseConfig
from tests.hwsim.silicon.libraries import SG13G2, library_file, need

CONFIG = ArchConfig(dense=None, sparse=SparseConfig(pes=2, lanes=2, spmat_kib=4, pointers=512, accumulators=128))

MEMORY = """\
module remember(input clk, input en, input [2:0] a, input [3:0] d, output reg [3:0] q);
  reg [3:0] words [7:0];
  reg [3:0] found;
  always @(posedge clk) begin
    if (en) words[a] <= d;
  end
  always @(posedge clk) begin
    if (~en) found <= words[a];
  end
  always @(posedge clk) q <= found + 1;
endmodule
"""


@pytest.fixture(scope="module")
def layer():
    return next(layer for layer in layer_operands() if layer.layer == "pointwise")


def test_every_entry_of_the_columns_that_are_taken_is_counted(layer) -> None:
    matrix = pruned(layer, CONFIG, density=0.2)
    assert np.count_nonzero(matrix.codes) == pytest.approx(0.2 * matrix.codes.size, rel=0.05)
    made = stream(matrix, CONFIG, cycles=120)
    counts = dict(zip(EVENTS, made.counts, strict=True))
    assert made.stimulus.measured == 120
    # An entry a cycle, once the first is there; columns without an entry are not queued.
    assert 100 <= counts["mac"] + counts["padding"] <= 120
    assert 0 < counts["queued"] <= counts["take"]


def test_few_weights_are_far_apart_and_take_padding(layer) -> None:
    few, many = (stream(pruned(layer, CONFIG, density=d), CONFIG, cycles=100).counts for d in (0.03, 1.0))
    padding = EVENTS.index("padding")
    assert few[padding] > 0
    assert many[padding] == 0


def test_nothing_happens_in_an_idle_stream(layer) -> None:
    assert set(idle_stream(pruned(layer, CONFIG, density=0.3), CONFIG).counts) == {0}


def test_more_cycles_than_the_layer_has_are_refused(layer) -> None:
    with pytest.raises(ValueError, match=r"^the layer's activations are over after \d+ of 5000 cycles$"):
        stream(pruned(layer, CONFIG, density=0.03), CONFIG, cycles=5000)


def test_the_fit_finds_what_was_put_in() -> None:
    truth, idle = np.array([2.0, 3.0, 7.0, 0.5]), Energy(clock=1.0, register=0.1, logic=0.2)
    rng = np.random.default_rng(0)

    def seen() -> Observation:
        counts = tuple(int(n) for n in rng.integers(1, 300, len(EVENTS)))
        logic = idle.logic + 0.6 * truth @ counts / 300
        register = idle.register + 0.4 * truth @ counts / 300
        return Observation("any", counts, 300, Energy(clock=idle.clock, register=register, logic=logic))

    events = fit_events(EVENTS, [seen() for _ in range(6)], idle)
    assert [event.total for event in events.values()] == pytest.approx(truth)
    assert [event.logic for event in events.values()] == pytest.approx(0.6 * truth)
    found = EventEnergies.__new__(EventEnergies)
    object.__setattr__(found, "idle", idle)
    object.__setattr__(found, "events", events)
    assert found.error((seen(), seen())) < 1e-9


def test_a_memory_is_outside_of_the_netlist_and_answers_a_cycle_later(tmp_path: Path) -> None:
    need("yosys", "icarus")
    technology = prepare(library_file(SG13G2), tmp_path)
    specimen = Specimen(MEMORY, "remember", technology, tmp_path / "memory", Recipe(period_ps=4000))
    (macro,) = specimen.netlist.macros
    assert (macro.words, macro.width) == (8, 4)
    assert specimen.netlist.flip_flops() == 4, "q alone: what is read is the memory's register"
    written = np.arange(8, dtype=object)
    inputs = {
        "en": np.array([1] * 8 + [0] * 8, dtype=object),
        "a": np.concatenate([written, written]),
        "d": np.concatenate([(3 * written) % 16, written * 0]),
    }
    expected = np.full(16, -1, dtype=object)
    expected[10:] = [(3 * k + 1) % 16 for k in range(6)]
    energy = specimen.energy(Stimulus(inputs, {"q": expected}, start=8, stop=14))
    assert energy.total > 0
