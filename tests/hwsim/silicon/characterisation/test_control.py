"""Instructions reach the engines of the path in the cycles of the schedule; a netlist's changes are told by time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hwsim.energy.table import load_table
from hwsim.silicon.characterisation.control import FITTED, HELD_OUT, measure_control, program_stream
from hwsim.silicon.characterisation.control_stream import ControlStream, joined
from hwsim.silicon.characterisation.specimen import Specimen
from hwsim.silicon.characterisation.table import control_part
from hwsim.silicon.library.technology import prepare
from hwsim.silicon.switching.activity import count_changes_within
from hwsim.silicon.switching.stimulus import Stimulus
from hwsim.silicon.synthesis.cells import Recipe
from rtl.config import load_arch
from rtl.isa import Engine
from tests.hwsim.silicon.libraries import SG13G2, SKY130, library_file, need

SHIPPED = ("asap7", "sky130hd")

KEEP = """\
module keep(input clk, input rst, input en, input [7:0] d, output reg [7:0] q);
  always @(posedge clk) if (rst) q <= 0; else if (en) q <= d;
endmodule
"""


@pytest.fixture(scope="module")
def stream() -> ControlStream:
    return program_stream("digits-mlp", load_arch("dense-8x8"))


def test_every_instruction_is_dispatched_and_issued_and_every_stall_is_seen(stream: ControlStream) -> None:
    out = stream.schedule
    fetched, dispatched, issued, stalled = stream.counts(0, out.cycles)
    assert fetched == len(out.issue) + 1, "END is fetched, and stays"
    assert dispatched == issued == len(out.issue) == 50
    assert stalled == sum(out.stalls.values())


def test_events_of_stretches_sum_up_to_those_of_the_whole(stream: ControlStream) -> None:
    cycles = stream.schedule.cycles
    ends = [0, 100, 250, 700, cycles]
    parts = [stream.counts(first, last) for first, last in pairwise(ends)]
    assert tuple(map(sum, zip(*parts, strict=True))) == stream.counts(0, cycles)


def test_the_gateware_offers_each_instruction_by_its_schedule(stream: ControlStream) -> None:
    stimulus, out = stream.stimulus, stream.schedule
    taken = sorted(
        int(cycle) - stream.begin
        for engine in Engine
        for cycle in np.flatnonzero(
            (stimulus.expected[f"engines_{engine}_valid"] == 1) & (stimulus.inputs[f"engines_{engine}_ready"] == 1)
        )
        if cycle >= stream.begin
    )
    assert taken == sorted(out.issue)


def test_nothing_is_asked_for_and_nothing_comes_in_the_idle_cycles(stream: ControlStream) -> None:
    idle = stream.idle()
    assert len(idle) > 16
    for values in stream.stimulus.inputs.values():
        assert len(set(values[idle.start : idle.stop])) == 1
    assert set(stream.stimulus.expected["axi_arvalid"][idle.start : idle.stop]) == {0}


def test_networks_that_judge_are_not_those_that_are_fitted_to() -> None:
    assert {case.network for case in FITTED}.isdisjoint(case.network for case in HELD_OUT)


def test_programs_are_joined_whole(stream: ControlStream) -> None:
    head = stream.until(20)
    both = joined(head, stream.until(10))
    assert head.cycles == stream.begin + 20
    assert both.cycles == both.measured == head.cycles + stream.begin + 10
    assert both.zeroed


def test_changes_are_counted_by_the_time_at_which_they_are() -> None:
    vcd = (
        '$timescale 1fs $end\n$var wire 1 ! a $end\n$var wire 1 " b $end\n$enddefinitions $end\n'
        '#0\n$dumpvars\n0!\n0"\n$end\n#10\n1!\n#20\n0!\n1"\n#30\n1!\n'
    )
    early, late = count_changes_within(vcd.splitlines(keepends=True), [range(10, 20), range(20, 31)])
    assert early == Counter(a=1)
    assert late == Counter(a=2, b=1)


def test_stretches_of_one_simulation_are_what_each_is_alone(tmp_path: Path) -> None:
    need("yosys", "icarus")
    specimen = Specimen(
        KEEP, "keep", prepare(library_file(SG13G2), tmp_path), tmp_path / "keep", Recipe(period_ps=4000)
    )
    cycles = 24
    enable = np.array([0] * 4 + [1] * 10 + [0] * 10, dtype=object)
    data = np.array([37 * k % 256 for k in range(cycles)], dtype=object)
    inputs = {"rst": np.zeros(cycles, dtype=object), "en": enable, "d": data}
    # Zero from the start: nothing is reset, and all is known.
    kept = [0] * 5 + [int(data[k]) for k in range(4, 14)] + [int(data[13])] * 9
    expected = {"q": np.array(kept, dtype=object)}
    windows = [range(4, 14), range(16, 24)]
    both = specimen.energies(Stimulus(inputs, expected, 0, cycles, zeroed=True), windows)
    for window, energy in zip(windows, both, strict=True):
        alone = specimen.energy(Stimulus(inputs, expected, window.start, window.stop, zeroed=True))
        assert energy.logic == pytest.approx(alone.logic)
        assert energy.register == pytest.approx(alone.register)
        # A file that begins with the first edge does not have it.
        assert energy.clock == pytest.approx(alone.clock, rel=1 / len(window))
    assert both[1].total < both[0].total


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_tables_say_what_an_instruction_takes(name: str) -> None:
    control = load_table(f"characterized:{name}").control
    assert control is not None
    assert control.path == load_arch("dense-8x8").control
    assert control.held_out_error.value < 0.1
    for event in (control.fetch, control.dispatch, control.issue):
        assert event.logic_pj + event.register_pj > control.stall.logic_pj + control.stall.register_pj > 0


@pytest.mark.slow
def test_a_path_measured_anew_foretells_another_program(tmp_path: Path) -> None:
    need("yosys", "icarus", "opensta")
    technology = prepare(library_file(SKY130), tmp_path)
    found = measure_control(load_arch("dense-8x8"), technology, tmp_path / "control", Recipe(period_ps=10000))
    assert found.idle.logic == found.idle.register == 0, "nothing but the clock moves"
    assert found.error(found.held_out) < 0.1
    part = control_part(found, "any")
    energies = [e.logic_pj + e.register_pj for e in (part.fetch, part.dispatch, part.issue, part.stall)]
    assert min(energies[:3]) > energies[3] > 0
    assert len(found.specimen.netlist.macros) == 0, "queues are flip-flops"
    assert found.specimen.netlist.flip_flops() > (16 + 4 * 8) * 256


def test_published_tables_say_nothing_of_instructions() -> None:
    assert load_table("horowitz-45nm").control is None
