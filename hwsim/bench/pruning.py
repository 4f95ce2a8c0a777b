"""Energy-aware pruning beside pruning by magnitude: equal networks, data, floor, fine-tuning and retries."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.source import float_graph
from hwsim.codesign.prune import prune_graph
from hwsim.codesign.settings import METHODS, PruneSettings
from hwsim.training import DataSet, Settings, TorchTrainer, load_data
from hwsim.training.data import split
from hwsim.training.initialise import initialised
from rtl.config import load_arch
from workloads.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.ir import Graph
    from hwsim.codesign.report import PruneReport

__all__ = ["ARCHITECTURES", "MNIST", "NETWORKS", "Comparison", "compare", "mnist", "trained"]

MNIST = Path("../shared/models/data")
"""The 10,000 test images and labels of MNIST, in its own format. Split 60 : 20 : 20 here."""
NETWORKS = ("digits-cnn", "lenet-300-100")
ARCHITECTURES = ("dense-16x16", "dense-8x8")
TRAINING = Settings(rate=2e-3, weight_decay=0.05)
TUNING = Settings(rate=4e-3, weight_decay=0.05)
EPOCHS = 30
PRUNING = {method: PruneSettings(method=method, epochs=6, rounds=20) for method in METHODS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One network on one architecture."""

    network: str
    arch: str
    energy_aware: PruneReport
    magnitude: PruneReport

    @property
    def ratio(self) -> float:
        """Energy left by magnitude over energy left by cost."""
        return self.magnitude.energy_pj[1] / self.energy_aware.energy_pj[1]


def mnist(folder: Path = MNIST) -> DataSet:
    """The images ``[n, 1, 28, 28]`` in 0..1."""
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    # IDX: 16 bytes of header before images, 8 before labels.
    x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return split("mnist", x.astype(np.float32) / np.float32(255), np.frombuffer(labels, np.uint8, offset=8).astype(int))


def trained(name: str, data: DataSet) -> Graph:
    """The workload ``name`` with fresh weights, trained on ``data``: its validation part is news to it."""
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        graph = float_graph(resolve(name).file(Path(folder)))
    return TorchTrainer(data, TRAINING).fit(initialised(graph, seed=0), epochs=EPOCHS)


def compare() -> Iterator[Comparison]:
    """Every network for which there is data, on every architecture."""
    for name in NETWORKS:
        if name.startswith("lenet") and not MNIST.is_dir():
            continue
        data = mnist() if name.startswith("lenet") else load_data("digits")
        graph = trained(name, data)
        for arch in ARCHITECTURES:
            reports = {
                method: prune_graph(graph, load_arch(arch), data, settings=settings, tuning=TUNING, name=name).report
                for method, settings in PRUNING.items()
            }
            yield Comparison(
                network=name, arch=arch, energy_aware=reports["energy-aware"], magnitude=reports["magnitude"]
            )
