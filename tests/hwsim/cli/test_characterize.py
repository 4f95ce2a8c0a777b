"""``hwsim characterize`` refuses what it cannot do before any work, loses nothing, and shows all that it measured."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from hwsim.energy.table import Isolation, IsolationPoint, Table, load_table, table_names
from hwsim.errors import InputError
from hwsim.report.silicon import characterisation_table, characterisation_tree
from hwsim.silicon.library.memory import load_memories
from rtl.config import load_arch
from tests.hwsim.cli.command_line import hwsim
from tests.hwsim.silicon.libraries import need
from tests.hwsim.silicon.library.test_liberty import TINY


@pytest.fixture
def library(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.lib"
    file.write_text(TINY)
    return file


@pytest.fixture(autouse=True)
def measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """No argument is refused after the measuring began."""

    def begun(*_: object, **__: object) -> None:
        raise AssertionError("it began to measure")

    monkeypatch.setattr("hwsim.silicon.characterisation.measure.characterise", begun)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    done = hwsim(capsys, "characterize", "--arch", "dense-8x8", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("hwsim: ")
    assert done.err.count("\n") == 1
    return done.err


@pytest.mark.parametrize("period", ["0", "-1", "nan", "inf", "1e99", "soon"])
@pytest.mark.parametrize("command", ["characterize", "synthesize"])
def test_a_period_that_is_none(capsys, library: Path, command: str, period: str) -> None:
    done = hwsim(capsys, command, "--liberty", library, f"--period={period}")
    assert (done.status, done.out) == (2, "")
    assert "'--period'" in done.err


@pytest.mark.parametrize("name", ["a/b", "../up", ".hidden", "Upper", "with space", "x" * 65])
def test_a_name_that_is_no_file_s(capsys, library: Path, tmp_path: Path, name: str) -> None:
    assert f"--name {name}: " in refused(capsys, "--liberty", library, "--name", name, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file(capsys, library: Path, tmp_path: Path) -> None:
    need("yosys", "icarus")
    (tmp_path / "out").write_text("")
    assert "the folder cannot be made" in refused(capsys, "--liberty", library, "-o", tmp_path / "out")


def test_a_table_whose_place_is_taken_by_a_folder(capsys, library: Path, tmp_path: Path) -> None:
    need("yosys", "icarus")
    (tmp_path / "out" / "tiny.yaml").mkdir(parents=True)
    assert "tiny.yaml: is a folder" in refused(capsys, "--liberty", library, "-o", tmp_path / "out")


def test_json_where_the_table_goes(capsys, library: Path, tmp_path: Path) -> None:
    need("yosys", "icarus")
    table = tmp_path / "tiny.yaml"
    assert "is where the table goes" in refused(capsys, "--liberty", library, "-o", tmp_path, "--json", table)


def test_a_library_that_is_none_leaves_no_folder(capsys, tmp_path: Path) -> None:
    need("yosys", "icarus")
    (tmp_path / "x.lib").write_bytes(bytes(range(256)))
    refused(capsys, "--liberty", tmp_path / "x.lib", "-o", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["x.lib"]


def test_it_writes_where_tables_are_looked_for(capsys, library: Path, tmp_path: Path, monkeypatch) -> None:
    need("yosys", "icarus")
    monkeypatch.setenv("HWSIM_TECHNOLOGIES", str(tmp_path / "own"))
    with pytest.raises(AssertionError, match="it began to measure"):
        hwsim(capsys, "characterize", "--arch", "dense-8x8", "--liberty", library)
    assert (tmp_path / "own" / "tiny" / "library.lib").read_text() == TINY


def made(notes: tuple[str, ...] = ()) -> Any:
    timing = SimpleNamespace(period_ps=900.0, fmax_mhz=1111.0)
    column = SimpleNamespace(specimen=SimpleNamespace(timing=timing))
    return SimpleNamespace(
        column=column, arch=load_arch("dense-8x8"), pe_um2=45.0, pe_bits=45, notes=notes, tools=("a",)
    )


def shown(table: Table, path: Path) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(characterisation_table(made(), table, path))
    return cast("io.StringIO", console.file).getvalue()


def with_isolation(table: Table) -> Table:
    assert table.array is not None
    point = IsolationPoint(zeros=0.5, plain_pj=0.08, isolated_pj=0.06)
    isolation = Isolation(um2=49.0, real=point, by_share=[point], source="a test of it")
    return table.model_copy(update={"array": table.array.model_copy(update={"isolation": isolation})})


def test_what_was_asked_for_besides_is_shown_and_in_the_json(tmp_path: Path) -> None:
    table = with_isolation(load_table("characterized:asap7"))
    text = shown(table, tmp_path / "asap7.yaml")
    for what in ("padding entry", "dispatched: into its engine's queue", "real operands, 50%", "-25.0%"):
        assert what in text
    tree = characterisation_tree(made(), table)
    assert table.sparse is not None
    assert tree["sparse"]["idle_pj"]["value"] == table.sparse.idle_pj.value
    assert tree["control"]["fetch"]["logic_pj"] > 0
    assert tree["isolation"]["um2"] == 49.0


def test_it_is_said_where_the_table_is_found_and_that_it_hides_a_shipped_one(tmp_path: Path, monkeypatch) -> None:
    table = load_table("characterized:asap7")
    monkeypatch.setenv("HWSIM_TECHNOLOGIES", str(tmp_path / "own"))
    elsewhere = " ".join(shown(table, tmp_path / "asap7.yaml").split())
    assert f"--technology characterized:asap7, with HWSIM_TECHNOLOGIES={tmp_path}" in elsewhere
    assert "hwsim comes with a table of that name" in elsewhere
    own = table.model_copy(update={"name": "characterized:mine"})
    found = shown(own, tmp_path / "own" / "mine.yaml")
    assert "--technology characterized:mine\n" in found
    assert "hwsim comes with" not in found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", r"binary\.yaml: not a technology table: "),
        (b"name: x\n", r"binary\.yaml: not a technology table: title: Field required$"),
        (b"- 1\n", r"binary\.yaml: not a technology table: "),
    ],
    ids=["no text", "a part is missing", "a list"],
)
def test_a_table_of_one_s_own_that_is_none_is_named_and_in_no_other_s_way(
    tmp_path: Path, monkeypatch, content: bytes, message: str
) -> None:
    monkeypatch.setenv("HWSIM_TECHNOLOGIES", str(tmp_path))
    (tmp_path / "binary.yaml").write_bytes(content)
    (tmp_path / "folder.yaml").mkdir()
    assert "characterized:folder" not in table_names()
    with pytest.raises(InputError, match=message):
        load_table("characterized:binary")
    assert load_memories("sky130").sram is not None
    with pytest.raises(InputError, match=r"none of sky130, characterized:asap7, characterized:sky130hd, horowitz"):
        load_memories("characterized:binary")
