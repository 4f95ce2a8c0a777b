"""What a Huffman decoder in the load engine's way would change: said beside the cycles of the RTL, and not in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwsim.api import estimate, simulate
from hwsim.report.tables import simulation_table
from rtl.config import ArchConfig, ConfigError, load_arch, parse_arch
from tests.hwsim.cli.command_line import hwsim as command

LAYER = "eie/nt-we"


def with_decoder(rate: float | None) -> ArchConfig:
    preset = load_arch("eie-64")
    return preset.model_copy(update={"bus": preset.bus.model_copy(update={"decoder_entries_per_cycle": rate})})


def test_the_hardware_and_its_cycles_stay_what_they_are() -> None:
    plain, fast = with_decoder(None), with_decoder(64)
    assert plain.rtl_hash == fast.rtl_hash
    assert plain != fast
    without, beside = estimate(LAYER, plain, rows="interleaved"), estimate(LAYER, fast, rows="interleaved")
    assert without.cycles == beside.cycles
    assert without.layers[0].counters == beside.layers[0].counters
    assert without.layers[0].coded_weights is None
    assert beside.layers[0].coded_weights is not None


@pytest.mark.parametrize("fidelity", ["cycle", "analytic"])
def test_the_decoder_sets_the_pace_where_it_is_slower_than_the_bus(fidelity) -> None:
    slow, fast = (
        estimate(LAYER, with_decoder(rate), rows="interleaved", fidelity=fidelity).layers[0] for rate in (0.5, 64)
    )
    a, b = slow.coded_weights, fast.coded_weights
    assert a is not None
    assert b is not None
    assert (a.bytes, a.coded_bytes, a.cycles, a.loads) == (b.bytes, b.coded_bytes, b.cycles, 1)
    # 600 x 4096 weights of which 10 % are kept, at half an entry per cycle; the bus brings 32 bytes per cycle.
    assert a.coded_cycles == pytest.approx(600 * 4096 * 0.1 / 0.5, rel=0.02)
    assert b.coded_cycles == 40 + -(-b.coded_bytes // 32)
    assert b.coded_cycles < b.cycles
    loaded = fast.counters["dram_read_bytes"] - 4096 - 600 * 8
    assert b.bytes == loaded, "what the RTL's LOADs ask for, inputs and parameters apart"


def test_the_command_says_so(tmp_path: Path, capsys) -> None:
    arch = tmp_path / "eie.yaml"
    arch.write_text(
        "{name: eie-coded, clock_mhz: 800, dense: null, sparse: {pes: 64, spmat_kib: 128, pointers: 16384, "
        "accumulators: 256}, memory: {param_kib: 128}, bus: {data_bytes: 32, decoder_entries_per_cycle: 2}}"
    )
    done = command(capsys, "estimate", LAYER, "--arch", arch, "--json", tmp_path / "out.json")
    assert done.status == 0
    assert "sparse weights Huffman-coded, by a model" in " ".join(done.out.split())
    (layer,) = json.loads((tmp_path / "out.json").read_text())["layers"]
    assert layer["coded_weights"]["coded_bytes"] < layer["coded_weights"]["bytes"]


@pytest.mark.slow
def test_a_simulation_says_what_the_estimate_does() -> None:
    config = with_decoder(2)
    run = simulate(LAYER, config, rows="interleaved")
    assert run.agrees
    (told,), (expected,) = run.to_json()["layers"], estimate(LAYER, config, rows="interleaved").to_json()["layers"]
    assert told["coded_weights"] == expected["coded_weights"]
    assert told["coded_weights"]["coded_bytes"] < told["coded_weights"]["bytes"]
    assert "Huffman-coded, by a model" in str(simulation_table(run).caption)


def test_a_decoder_that_stands_still_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"bus\.decoder_entries_per_cycle: input should be greater than or equal to"):
        parse_arch("{bus: {decoder_entries_per_cycle: 0}}", "a.yaml")
