"""A compiled program in one file: it comes back as it was, and a file that is damaged is refused in one line."""

from __future__ import annotations

import io
import json
import zipfile
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.mapping.compile import compile_graph
from compiler.program.program import Program
from rtl.isa import End
from tests.compiler.mapping.hosted import hosted_network
from tests.system.random_archs import random_arch
from tests.system.random_layers import random_case


def compiled(seed: int) -> Program:
    return compile_graph(random_case(seed, most_macs=3000).graph, random_arch(seed))


def same(a: Program, b: Program) -> bool:
    fields = ("rtl_hash", "layers", "steps", "tensors", "window_bytes")
    return all(getattr(a, f) == getattr(b, f) for f in fields) and np.array_equal(a.image, b.image)


@pytest.mark.parametrize("seed", range(6))
def test_a_program_comes_back_as_it_was(seed, tmp_path):
    program = compiled(seed)
    program.save(tmp_path / "net.hwsim")
    assert same(Program.load(tmp_path / "net.hwsim"), program)


def test_host_operators_come_back_too(tmp_path):
    program = compile_graph(hosted_network(keep=False), random_arch(1))
    program.save(tmp_path / "net.hwsim")
    assert same(Program.load(tmp_path / "net.hwsim"), program)


def test_saving_replaces_the_file_at_once(tmp_path):
    path = tmp_path / "net.hwsim"
    path.write_text("an older one")
    compiled(0).save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["net.hwsim"]
    assert same(Program.load(path), compiled(0))


@pytest.mark.parametrize("seed", range(6))
def test_programs_lie_behind_the_window_and_end(seed):
    program = compiled(seed)
    for segment in program.segments:
        assert segment.address >= program.window_bytes
        assert isinstance(segment.instructions[-1], End)
        assert not any(isinstance(i, End) for i in segment.instructions[:-1])
    ends = sorted((at.address, at.address + at.size) for at in program.tensors.values())
    assert all(stop <= start for (_, stop), (start, _) in pairwise(ends))
    assert ends[-1][1] <= program.window_bytes


def test_a_tensor_of_another_size_is_not_placed():
    program = compiled(0)
    name, at = next(iter(program.tensors.items()))
    with pytest.raises(ValueError, match=rf"^{name} takes "):
        program.place(program.image.copy(), name, np.zeros(at.size + 1, np.int8))


def rewritten(path: Path, change: dict[str, object] | None = None, image: bytes | None = None) -> None:
    """The program in ``path`` with other metadata or another image."""
    with zipfile.ZipFile(path) as file:
        meta, data = json.loads(file.read("program.json")), file.read("image.bin")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("program.json", json.dumps({**meta, **(change or {})}))
        file.writestr("image.bin", data if image is None else image)


DAMAGE = {
    "no file": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "not a zip": lambda path: path.write_bytes(b"hello" * 100),
    "another zip": lambda path: path.write_bytes(zipped({"readme.txt": b"hello"})),
    "not JSON": lambda path: path.write_bytes(zipped({"program.json": b"{", "image.bin": b""})),
    "JSON of another kind": lambda path: path.write_bytes(zipped({"program.json": b"[1]", "image.bin": b""})),
    "tensors that are a list": lambda path: rewritten(path, {"tensors": [1, 2]}),
    "layers that are numbers": lambda path: rewritten(path, {"layers": [1]}),
    "a step of nothing": lambda path: rewritten(path, {"steps": [{}]}),
    "an image cut short": lambda path: rewritten(path, image=b"\0" * 4096),
    "instructions that are none": lambda path: rewritten(path, image=b"\0" * (1 << 20)),
    "a tensor outside the window": lambda path: rewritten(
        path, {"tensors": {"x": {"address": 1 << 30, "shape": [1, 1, 1]}}}
    ),
}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_refused_in_one_line(name, tmp_path):
    path = tmp_path / "net.hwsim"
    compiled(0).save(path)
    DAMAGE[name](path)
    with pytest.raises(ModelError) as caught:
        Program.load(path)
    assert str(caught.value).startswith(f"{path}: not a compiled program: ")
    assert "\n" not in str(caught.value)


def test_flipped_bits_are_refused_or_do_no_harm(tmp_path):
    path = tmp_path / "net.hwsim"
    compiled(0).save(path)
    whole = path.read_bytes()
    rng = Random(4)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            assert same(Program.load(path), compiled(0))
        except ModelError:
            refused += 1
    assert refused > 100
