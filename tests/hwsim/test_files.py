"""Files: whole or absent, and one line when they cannot be read or written."""

from __future__ import annotations

import json
import stat

import numpy as np
import pytest

from hwsim.errors import InputError
from hwsim.files import check_output, load_array, write_json, write_text


def test_text_and_json_are_written(tmp_path):
    write_text(tmp_path / "a.txt", "µs\n")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "µs\n"
    write_json(tmp_path / "a.json", {"cycles": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"cycles": 1}


def test_a_result_is_as_readable_as_any_file(tmp_path):
    write_text(tmp_path / "a", "")
    (tmp_path / "b").write_text("")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes[0] == modes[1]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(InputError, match=r"a\.txt: cannot be written: no space left on device$"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "message"),
    [("no/a.json", r"there is no folder .*no$"), (".", r"is a folder, not a file to write$")],
)
def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        check_output(tmp_path / name)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        pytest.param(None, r"cannot be read: no such file or directory$", id="missing"),
        pytest.param(b"", r"not a NumPy array file", id="empty"),
        pytest.param(b"\x93NUMPY\x01\x00", r"not a NumPy array file", id="truncated"),
        pytest.param(b"1 2 3\n", r"not a NumPy array file", id="text"),
    ],
)
def test_what_is_no_array_is_refused(tmp_path, contents, message):
    path = tmp_path / "a.npy"
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(InputError, match=message):
        load_array(path)


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"not a NumPy array file"):
        load_array(tmp_path / "a.npy")


def test_archives_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(1), y=np.zeros(1))
    with pytest.raises(InputError, match=r"holds several arrays"):
        load_array(tmp_path / "a.npz")


def test_an_array_is_read(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    np.testing.assert_array_equal(load_array(tmp_path / "a.npy"), [0, 1, 2])
