"""A hand-over is written whole or not at all, over nothing, and says what it is."""

from __future__ import annotations

import re

import pytest

from hwsim.errors import InputError
from hwsim.handover import folder as handover
from hwsim.handover.folder import write_handover
from rtl.config import parse_arch
from tests.hwsim.handover.hardware import small, small_contents


@pytest.fixture
def quick(monkeypatch) -> dict[str, str]:
    """The files, made once."""
    monkeypatch.setattr(handover, "contents", lambda config, single_file: small_contents())
    return small_contents()


def test_all_files_are_written(quick, tmp_path):
    target = tmp_path / "deep" / "folder"
    assert write_handover(small(), target) == quick
    assert {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()} == set(quick)
    assert [path.name for path in target.parent.iterdir()] == ["folder"]


def test_an_empty_folder_is_taken(quick, tmp_path):
    write_handover(small(), tmp_path)
    assert (tmp_path / "README.md").read_text() == quick["README.md"]


def test_what_is_there_is_not_written_over(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(InputError, match=r"^\S+: is not empty; name a new folder, or remove it$"):
        write_handover(small(), tmp_path)
    with pytest.raises(InputError, match=r"^\S+: is a file; name a new folder$"):
        write_handover(small(), tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_failure_leaves_nothing(monkeypatch, tmp_path):
    def fail(config, single_file):
        raise InputError("too small")

    monkeypatch.setattr(handover, "contents", fail)
    with pytest.raises(InputError, match=r"^too small$"):
        write_handover(small(), tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_every_verilog_file_holds_the_module_it_is_called_after():
    for name, text in small_contents().items():
        if name.endswith(".v"):
            assert re.findall(r"^module (\w+)", text, re.MULTILINE) == [name.removeprefix("rtl/").removesuffix(".v")]
            assert text.startswith(f"// hwsim accelerator small, hardware {small().rtl_hash}.")


def test_the_list_of_files_is_complete():
    files = small_contents()
    assert files["rtl/files.f"].split() == [name for name in files if name.endswith(".v")]


def test_the_configuration_comes_back():
    assert parse_arch(small_contents()["accelerator.yaml"], "it") == small()


def test_the_readme_names_what_is_there():
    files = small_contents()
    for part in re.findall(r"^\| (.+?) \|", files["README.md"], re.MULTILINE)[2:]:
        for path in re.findall(r"`([^`]+)`", part):
            assert any(name == path or name.startswith(path) for name in files), path


def test_nothing_of_this_machine_and_no_import_of_ours_is_in_it():
    for name, text in small_contents().items():
        assert not re.search(r"/tmp|/home|/root|/work", text), name
        assert not re.search(r"^\s*(?:from|import) (?:hwsim|rtl|compiler|amaranth|numpy)\b", text, re.MULTILINE), name
