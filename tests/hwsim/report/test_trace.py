"""The timeline: every instruction, where the cycle model puts it."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from pathlib import Path

import pytest

import hwsim
from compiler.mapping.compile import compile_graph
from hwsim.cycles import program_cycles
from hwsim.network import load_network
from hwsim.report.trace import timeline
from rtl.config import load_arch

CLOCK_MHZ = 500.0


@pytest.fixture(scope="module")
def traced() -> tuple:
    network, config = load_network("digits-mlp"), load_arch("dense-8x8")
    program = compile_graph(network.graph, config)
    cycles = program_cycles(program, config)
    return program, cycles, timeline(program, cycles, model="m", arch="a", clock_mhz=CLOCK_MHZ)


def slices(tree: dict) -> list[dict]:
    return [event for event in tree["traceEvents"] if event["ph"] == "X" and event["tid"] != 0]


def test_each_instruction_has_one_slice_from_issue_to_retirement(traced: tuple):
    program, cycles, tree = traced
    (segment,), (timed,) = program.segments, cycles.segments
    found = {event["args"]["instruction"]: event for event in slices(tree)}
    assert sorted(found) == [k for k, i in enumerate(segment.instructions) if i.ENGINE is not None]
    for number, event in found.items():
        assert event["ts"] * CLOCK_MHZ == pytest.approx(timed.issue[number])
        assert event["dur"] * CLOCK_MHZ == pytest.approx(max(timed.retire[number] - timed.issue[number], 1))
        assert event["args"]["layer"] == program.layers[segment.instructions[number].layer].name


def test_tracks_are_named_by_engine(traced: tuple):
    program, _, tree = traced
    names = {e["tid"]: e["args"]["name"] for e in tree["traceEvents"] if e["name"] == "thread_name"}
    engines = {k: i.ENGINE.name for k, i in enumerate(program.segments[0].instructions) if i.ENGINE is not None}
    for event in slices(tree):
        assert names[event["tid"]].split()[0] == engines[event["args"]["instruction"]]


def test_slices_of_one_track_do_not_overlap(traced: tuple):
    tracks = defaultdict(list)
    for event in slices(traced[2]):
        tracks[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for track in tracks.values():
        track.sort()
        assert all(end <= start + 1e-9 for (_, end), (start, _) in itertools.pairwise(track))


def test_layers_fill_the_run(traced: tuple):
    _, cycles, tree = traced
    layers = [event for event in tree["traceEvents"] if event["ph"] == "X" and event["tid"] == 0]
    assert sum(event["args"]["cycles"] for event in layers) == cycles.cycles == tree["otherData"]["cycles"]


def test_estimate_writes_the_file(tmp_path: Path):
    result = hwsim.estimate("digits-mlp", "dense-8x8", trace=tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())["otherData"]["cycles"] == result.cycles
