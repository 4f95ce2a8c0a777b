"""A configuration that can be built loads; one that cannot is refused in one line that says what to change."""

import os
import re
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from rtl.config import ArchConfig, ConfigError, SparseConfig, load_arch, parse_arch, preset_names, settings

KNOWN = ", ".join(settings(ArchConfig))


def refused(text: str) -> str:
    """The message about ``text``, which must be one line, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        parse_arch(text, "a.yaml")
    message = str(caught.value)
    assert message.startswith("a.yaml: ")
    assert message.isprintable()
    assert len(message) < 500
    return message.removeprefix("a.yaml: ")


@pytest.mark.parametrize("name", preset_names())
def test_presets_load_and_carry_their_name(name):
    assert load_arch(name).name == name


def test_there_are_presets_of_three_sizes():
    assert {"dense-8x8", "dense-16x16", "dense-32x32"} <= set(preset_names())


def test_a_file_is_the_default_with_changes(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("dense: {rows: 12, cols: 4}\nclock_mhz: 250\n")
    config = load_arch(path)
    assert (config.dense.rows, config.dense.cols, config.clock_mhz) == (12, 4, 250.0)
    assert config.memory == ArchConfig().memory
    assert load_arch(str(path)) == config


def test_equal_hardware_has_an_equal_hash_whatever_its_name_clock_and_memory():
    one = parse_arch("name: one\nclock_mhz: 100\ndram: {latency_cycles: 3}\ntechnology: {voltage_v: 0.9}", "a.yaml")
    two = parse_arch("name: two", "b.yaml")
    assert one.rtl_hash == two.rtl_hash
    assert re.fullmatch("[0-9a-f]{16}", one.rtl_hash)
    assert one != two


@pytest.mark.parametrize(
    "change",
    [
        "dense: {rows: 15}",
        "dense: {depthwise_taps: 0}",
        "memory: {ifm_kib: 32}",
        "bus: {outstanding: 1}",
        "control: {max_layers: 7}",
    ],
)
def test_other_hardware_has_another_hash(change):
    assert parse_arch(change, "a.yaml").rtl_hash != ArchConfig().rtl_hash


def test_a_configuration_is_a_key():
    assert {ArchConfig(): 1}[ArchConfig()] == 1
    with pytest.raises(ValidationError, match="frozen"):
        ArchConfig().name = "other"


@pytest.mark.parametrize(
    ("rows", "cols", "data_bytes", "banks"), [(2, 2, 4, 8), (8, 9, 4, 16), (17, 2, 4, 32), (2, 2, 32, 32)]
)
def test_banks_hold_any_vector(rows, cols, data_bytes, banks):
    taps = min(rows, 7)
    config = ArchConfig(dense={"rows": rows, "cols": cols, "depthwise_taps": taps}, bus={"data_bytes": data_bytes})
    assert config.banks == banks


@pytest.mark.parametrize("rows", [2, 3, 16, 17, 128])
def test_partial_sums_do_not_overflow(rows):
    bits = ArchConfig(dense={"rows": rows, "depthwise_taps": 0}).psum_bits
    largest = rows * 128 * 128
    assert largest < 1 << (bits - 1)
    assert largest >= 1 << (bits - 3), "at most one bit wider than it has to be"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "dense: {rows: sixteen}", "dense.rows: input should be a valid integer (got 'sixteen')", id="text"
        ),
        pytest.param("dense: {rows: 16.0}", "dense.rows: input should be a valid integer (got 16.0)", id="float"),
        pytest.param("dense: {rows: true}", "dense.rows: input should be a valid integer (got True)", id="boolean"),
        pytest.param("dense: {rows: ~}", "dense.rows: input should be a valid integer (got None)", id="null"),
        pytest.param("dense: {rows: [4]}", "dense.rows: input should be a valid integer (got [4])", id="list"),
        pytest.param("dense: 16", "dense: input should be a mapping of settings (got 16)", id="scalar for a part"),
        pytest.param("dense:", "an accelerator needs an engine: dense, sparse or both are to be set", id="no engine"),
        pytest.param("clock_mhz: '500'", "clock_mhz: input should be a valid number (got '500')", id="quoted number"),
        pytest.param("clock_mhz: yes", "clock_mhz: input should be a valid number (got True)", id="yes is a boolean"),
        pytest.param("name: 12", "name: input should be a valid string (got 12)", id="number for a name"),
        pytest.param("1: 2", "1: keys should be strings (got 1)", id="number for a key"),
    ],
)
def test_wrong_types(text, message):
    assert refused(text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dense: {rows: 1}", "dense.rows: input should be greater than or equal to 2 (got 1)"),
        ("dense: {rows: -1}", "dense.rows: input should be greater than or equal to 2 (got -1)"),
        ("dense: {cols: 129}", "dense.cols: input should be less than or equal to 128 (got 129)"),
        ("dense: {rows: 1" + "0" * 30 + "}", f"dense.rows: input should be less than or equal to 128 (got {10**30})"),
        ("memory: {ifm_kib: 0}", "memory.ifm_kib: input should be greater than or equal to 1 (got 0)"),
        ("memory: {ofm_kib: 4097}", "memory.ofm_kib: input should be less than or equal to 4096 (got 4097)"),
        ("dram: {latency_cycles: 0}", "dram.latency_cycles: input should be greater than or equal to 1 (got 0)"),
        ("control: {max_layers: 1025}", "control.max_layers: input should be less than or equal to 1024 (got 1025)"),
        ("clock_mhz: 0", "clock_mhz: input should be greater than 0 (got 0)"),
        ("clock_mhz: .nan", "clock_mhz: input should be less than or equal to 10000 (got nan)"),
        ("clock_mhz: .inf", "clock_mhz: input should be less than or equal to 10000 (got inf)"),
        ("clock_mhz: -.inf", "clock_mhz: input should be greater than 0 (got -inf)"),
        (
            "dense: {dataflow: row_stationary}",
            "dense.dataflow: input should be 'weight_stationary' or 'output_stationary' (got 'row_stationary')",
        ),
    ],
)
def test_absurd_values(text, message):
    assert refused(text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("memory: {accumulators: 500}", "memory.accumulators must be a power of two, not 500"),
        ("bus: {data_bytes: 12}", "bus.data_bytes must be a power of two, not 12"),
        ("bus: {outstanding: 3}", "bus.outstanding must be a power of two, not 3"),
        ("control: {queue_depth: 6}", "control.queue_depth must be a power of two, not 6"),
        (
            "bus: {data_bytes: 32, burst_beats: 256}",
            "bus.burst_beats=256 of 32 bytes make bursts of 8192 bytes, over AXI's 4096 (lower burst_beats)",
        ),
        ("bus: {data_bytes: 64}", "bus.data_bytes=64 is wider than an instruction of 32 bytes"),
        (
            "dense: {dataflow: output_stationary}",
            "dense.depthwise_taps=7 is for the weight-stationary dataflow (set it to 0 for output_stationary)",
        ),
        (
            "dense: {rows: 4}",
            "dense.depthwise_taps=7 needs that many rows; dense.rows=4 (lower depthwise_taps or raise rows)",
        ),
    ],
)
def test_impossible_combinations_say_what_to_change(text, message):
    assert refused(text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dense: {rowz: 16}", "dense.rowz is not a setting; did you mean rows?"),
        ("densse: {rows: 16}", "densse is not a setting; did you mean dense?"),
        ("dram: {xyzzy: 1}", "dram.xyzzy is not a setting; known: latency_cycles, beat_interval"),
        ("xyzzy: 1", f"xyzzy is not a setting; known: {KNOWN}"),
        ('"a\\nb": 1', f"'a\\nb' is not a setting; known: {KNOWN}"),
        (f"? {'x' * 3000}\n: 1", f"{'x' * 77}... is not a setting; known: {KNOWN}"),
    ],
)
def test_unknown_settings_offer_the_nearest(text, message):
    assert refused(text) == message


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b", "", "-x", "a\\nb", "a\\n", "x" * 65, "ünicode", "\\ud800"])
def test_names_that_are_no_file_names(name):
    assert refused(f'name: "{name}"').startswith("name: ")


def test_several_mistakes_are_one_line():
    message = refused("dense: {rows: x, cols: y}\nclock_mhz: z\nname: 3")
    assert message.count(";") == 2


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 10)}]\n" for i in range(20)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "an architecture is a mapping of settings, not NoneType", id="empty"),
        pytest.param("[1, 2]", "an architecture is a mapping of settings, not list", id="list"),
        pytest.param("hello", "an architecture is a mapping of settings, not str", id="prose"),
        pytest.param(BOMB, "not YAML (line 2): references (*name) are not supported", id="billion laughs"),
        pytest.param("&a {dense: *a}", "not YAML (line 1): references (*name) are not supported", id="inside itself"),
        pytest.param("[" * 20_000, "not YAML (line 1): nested too deeply", id="deep list"),
        pytest.param("{a: " * 5_000, "not YAML (line 1): nested too deeply", id="deep mapping"),
        pytest.param("dense: {rows: 4}\ndense: {}", "not YAML (line 2): 'dense' is set twice", id="set twice"),
        pytest.param("a: 1\n---\nb: 2", "not YAML (line 2): but found another document", id="two documents"),
        pytest.param("dense: {rows: 4", "not YAML (line 1): expected ',' or '}', but got '<stream end>'", id="cut off"),
        pytest.param(
            "dense:\n\trows: 4", r"not YAML (line 2): found character '\t' that cannot start any token", id="tab"
        ),
        pytest.param(
            "dense: {rows: !!bool maybe}", "not YAML: a value does not fit its tag", id="tag that does not fit"
        ),
        pytest.param("name: !!timestamp x", "not YAML: a value does not fit its tag", id="another one"),
        pytest.param("dense: {rows: !!int x}", "not YAML: invalid literal for int() with base 10: 'x'", id="no number"),
        pytest.param("name: 2001-99-99", "not YAML: month must be in 1..12", id="no date"),
        pytest.param("[a]: 1", "not YAML: unhashable type: 'list'", id="list for a key"),
    ],
)
def test_text_that_is_no_architecture(text, message):
    start = time.perf_counter()
    assert refused(text) == message
    assert time.perf_counter() - start < 2


def test_nothing_is_run_that_yaml_asks_to_run(tmp_path: Path):
    proof = tmp_path / "proof"
    message = refused(f"!!python/object/apply:os.system ['touch {proof}']")
    assert message.startswith("not YAML (line 1): could not determine a constructor for the tag")
    assert not proof.exists()


def test_control_characters_do_not_reach_the_terminal():
    assert refused("name: \x1b[31m").startswith("not YAML: unacceptable character #x001b")


def test_a_number_of_thousands_of_digits_is_refused_quickly():
    assert refused("dense: {rows: " + "9" * 20_000 + "}").startswith("not YAML: Exceeds the limit")


def test_a_preset_s_name_with_a_mistake():
    with pytest.raises(ConfigError, match=r"^dense-16x15: no such architecture; did you mean dense-16x16\?$"):
        load_arch("dense-16x15")


def test_a_name_like_no_preset():
    with pytest.raises(ConfigError, match=r"^nope: no such architecture; known: dense-16x16, .*, or a YAML file$"):
        load_arch("nope")


def hostile(tmp_path: Path) -> dict[str, Path | str]:
    def file(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    return {
        "missing": tmp_path / "missing.yaml",
        "folder": tmp_path / "folder.yaml",
        "pipe": tmp_path / "pipe.yaml",
        "link to itself": tmp_path / "loop.yaml",
        "endless": "/dev/zero",
        "binary": file("binary.yaml", bytes(range(256))),
        "other encoding": file("utf16.yaml", "name: x".encode("utf-16")),
        "nul": file("nul.yaml", b"name: a\0b"),
        "large": file("large.yaml", b"a: " + b"x" * 70_000),
        "nul in the name": "a\0b.yaml",
        "newline in the name": "a\nb.yaml",
        "long name": "x" * 5000 + ".yaml",
        "empty name": "",
        "present folder": ".",
    }


REASONS = {
    "missing": r"cannot be read: No such file or directory",
    "folder": r"not a file",
    "pipe": r"not a file",
    "link to itself": r"cannot be read: Too many levels of symbolic links",
    "endless": r"not a file",
    "binary": r"cannot be read: not text",
    "other encoding": r"cannot be read: not text",
    "nul": r"not YAML: unacceptable character #x0000.*",
    "large": r"larger than 65536 bytes, not an architecture",
    "nul in the name": r"(not a file name|cannot be read: No such file or directory)",
    "newline in the name": r"cannot be read: No such file or directory",
    "long name": r"cannot be read: File name too long",
    "empty name": r"not a file",
    "present folder": r"not a file",
}


@pytest.mark.parametrize("case", REASONS)
def test_files_that_are_no_architecture(case, tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_arch(hostile(tmp_path)[case])
    message = str(caught.value)
    assert re.search(f": {REASONS[case]}$", message), message
    assert message.isprintable()
    assert len(message) < 500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sparse: {pes: 3}", "sparse.pes must be a power of two, not 3"),
        ("sparse: {pes: 4}", "sparse.lanes=8 drain 4 PEs (lower lanes to sparse.pes at most)"),
        ("sparse: {weights: int8}", "sparse.code_bits=4 cannot hold int8 weights (set it to 8)"),
        (
            "sparse: {row_bytes: 1, code_bits: 8}",
            (
                "sparse.row_bytes=1 is narrower than an entry of 12 bits "
                "(raise row_bytes, or lower code_bits or index_bits)"
            ),
        ),
        (
            "sparse: {pes: 256, spmat_kib: 128}",
            "sparse.spmat_kib=128 in 256 PEs is 32768 KiB, over the 16384 that an address reaches (lower spmat_kib)",
        ),
        (
            "{sparse: {pes: 256}, memory: {param_kib: 1}}",
            (
                "memory.param_kib=1 does not hold the 2048 bytes of a channel in each of sparse.pes=256 "
                "(raise param_kib or lower pes)"
            ),
        ),
        ("sparse: {row_bits: 64}", "sparse.row_bits is not a setting; did you mean row_bytes?"),
    ],
)
def test_impossible_sparse_engines(text, message):
    assert refused(text) == message


def test_an_absent_engine_is_named_when_it_is_asked_for():
    with pytest.raises(ConfigError, match="custom has no sparse engine"):
        _ = ArchConfig().sparse


@pytest.mark.parametrize(("code", "index", "entries"), [(4, 4, 8), (5, 3, 8), (4, 6, 4), (8, 8, 4), (2, 2, 16)])
def test_a_row_holds_the_largest_power_of_two_of_entries_that_fits(code, index, entries):
    assert SparseConfig(code_bits=code, index_bits=index).row_entries == entries
