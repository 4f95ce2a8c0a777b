"""Training that is killed and run again ends as if it had not been killed."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compiler.compress.source import float_graph
from hwsim.errors import InputError
from hwsim.training import Settings, TorchTrainer, load_data
from hwsim.training.checkpoint import Checkpoint, Digest, load_checkpoint, save_checkpoint
from workloads.registry import resolve

ROOT = Path(__file__).parents[3]
EPOCHS = 4
SETTINGS = Settings(rate=3e-3, patience=3)

DOOMED = """
import os, signal, sys
from pathlib import Path
from tests.hwsim.training.test_resume import train

class Killer:
    epoch = 0
    def stage(self, what, total=None):
        self.epoch += 1
    def at(self, done):
        if self.epoch == 3 and done == 5:
            os.kill(os.getpid(), signal.SIGKILL)

train(Path(sys.argv[1]), Killer())
"""


class Counter:
    """How many epochs were trained."""

    def __init__(self) -> None:
        self.epochs = 0

    def stage(self, what, total=None):
        self.epochs += 1

    def at(self, done):
        pass


def train(folder: Path | None, reporter):
    if folder is not None:
        graph = float_graph(resolve("digits-cnn").file(folder))
        return TorchTrainer(load_data("digits"), SETTINGS, checkpoints=folder, reporter=reporter).fit(
            graph, epochs=EPOCHS
        )
    graph = float_graph(resolve("digits-cnn").path)
    return TorchTrainer(load_data("digits"), SETTINGS, reporter=reporter).fit(graph, epochs=EPOCHS)


def _weights(graph) -> dict[str, np.ndarray]:
    names = {n for op in graph.operators() for n in op.inputs if graph.constant(n) is not None}
    return {name: graph.constant(name) for name in names}


def test_kill_minus_nine_and_run_again(tmp_path):
    died = subprocess.run([sys.executable, "-c", DOOMED, str(tmp_path)], cwd=ROOT, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    (file,) = tmp_path.glob("fit-*.npz")
    assert not list(tmp_path.glob("*.partial"))

    counter, whole = Counter(), Counter()
    resumed = _weights(train(tmp_path, counter))
    undisturbed = _weights(train(None, whole))
    assert (counter.epochs, whole.epochs) == (2, 4), "two epochs were done when it was killed in the third"
    for name, value in undisturbed.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)

    counter = Counter()
    again = _weights(train(tmp_path, counter))
    assert counter.epochs == 0, "a run that is done is not repeated"
    assert all(np.array_equal(again[name], value) for name, value in undisturbed.items())
    assert list(tmp_path.glob("fit-*.npz")) == [file]


def test_a_full_disk_is_one_line_and_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "work.npz"
    save_checkpoint(path, Checkpoint("key", {"a": np.arange(3)}, {"epoch": 1}))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(InputError, match=r"work.npz: cannot be written: file too large$"):
            save_checkpoint(path, Checkpoint("key", {"a": np.zeros(1 << 20)}, {"epoch": 2}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    kept = load_checkpoint(path, "key")
    assert kept is not None
    assert kept.facts == {"epoch": 1}
    np.testing.assert_array_equal(kept.arrays["a"], np.arange(3))
    assert [p.name for p in tmp_path.iterdir()] == ["work.npz"]


def test_a_checkpoint_keeps_names_and_types(tmp_path):
    arrays = {"file": np.float32([1.5]), "a/b.c": np.array(7), "": np.zeros((0, 2), np.int8)}
    save_checkpoint(tmp_path / "c.npz", Checkpoint("key", arrays, {"best": 0.5}))
    read = load_checkpoint(tmp_path / "c.npz", "key")
    assert read is not None
    assert {n: (a.dtype, a.shape, a.tolist()) for n, a in read.arrays.items()} == {
        n: (a.dtype, a.shape, a.tolist()) for n, a in arrays.items()
    }


def test_refuses_checkpoints_that_are_damaged_or_of_other_work(tmp_path):
    path = tmp_path / "c.npz"
    assert load_checkpoint(path, "key") is None
    save_checkpoint(path, Checkpoint("key", {}, {}))
    with pytest.raises(InputError, match=r"c.npz: is of other work \(network, data or settings differ\); delete it"):
        load_checkpoint(path, "other")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=r"c.npz: is no checkpoint, or a damaged one; delete it to start anew$"):
        load_checkpoint(path, "key")


def test_a_digest_tells_apart_what_decides_a_result():
    a = np.arange(4)
    digests = {
        Digest().array(a).hex(),
        Digest().array(a.astype(np.float32)).hex(),
        Digest().array(a.reshape(2, 2)).hex(),
        Digest("x").array(a).hex(),
        Digest().arrays({"a": a}).hex(),
        Digest().arrays({"b": a}).hex(),
    }
    assert len(digests) == 6
    assert Digest().arrays({"a": a, "b": a}).hex() == Digest().arrays({"b": a, "a": a}).hex()
