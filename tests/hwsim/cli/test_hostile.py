"""Hostile models and architectures on the command line: one line and status 2, whatever is in them."""

from __future__ import annotations

import pytest

from tests.compiler.frontend.test_hostile import CASES as MODELS
from tests.hwsim.cli.command_line import hwsim

ARCHITECTURES = {
    "empty": b"",
    "binary": bytes(range(256)),
    "not utf-8": b"name: \xff\xfe",
    "a list": b"- 1\n- 2\n",
    "a number": b"12",
    "unclosed": b"dense: {rows: 4",
    "unknown setting": b"dense: {rowz: 4}",
    "text for a number": b"dense: {rows: many}",
    "a number for a part": b"dense: 4",
    "not a number": b"clock_mhz: .nan",
    "infinite": b"clock_mhz: .inf",
    "negative": b"dense: {rows: -1}",
    "a fraction of a row": b"dense: {rows: 4.5}",
    "true for a number": b"dense: {rows: true}",
    "absurd size": b"dense: {rows: 1000000000000}",
    "absurd digits": b"dense: {rows: " + b"9" * 10_000 + b"}",
    "not a power of two": b"bus: {data_bytes: 12}",
    "python object": b"!!python/object/apply:os.system ['true']",
    "deep nesting": b"[" * 30_000,
    "anchors within anchors": b"a: &a [x, x]\n"
    + b"".join(b"%c: &%c [*%c, *%c]\n" % (i + 1, i + 1, i, i) for i in range(97, 120)),
    "too large": b"#" * 100_000,
}


def one_line(done) -> None:
    assert done.status == 2, done.err
    assert done.out == ""
    assert done.err.startswith("hwsim: ")
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err


@pytest.mark.parametrize("write", [case[0] for case in MODELS.values()], ids=MODELS)
def test_models(capsys, write, tmp_path):
    one_line(hwsim(capsys, "estimate", write(tmp_path)))


@pytest.mark.parametrize("text", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_architectures(capsys, text, tmp_path):
    path = tmp_path / "arch.yaml"
    path.write_bytes(text)
    one_line(hwsim(capsys, "verilog", "--arch", path, "-o", tmp_path))
    assert list(tmp_path.iterdir()) == [path]
