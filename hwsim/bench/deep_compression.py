"""``python -m hwsim.bench.deep_compression``: prune, share and code the two LeNets of the paper, trained here on MNIST.

Han, Mao and Dally, "Deep Compression", ICLR 2016. The paper trains on 60,000 images, this on 6,000: errors are higher
before and after, and what counts is their difference, and the ratio.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.compress.masks import Masks
from compiler.compress.recipe import Recipe, parse_recipe
from compiler.compress.source import float_graph
from compiler.compress.storage import storage_totals
from compiler.frontend.write import to_onnx
from hwsim.bench.mnist import load_mnist
from hwsim.compression.api import Compression, compress
from hwsim.training import Settings, TorchTrainer
from workloads.builders.lenet import lenet_5, lenet_300_100
from workloads.builders.network import Weights
from workloads.reference.compression import DEEP_COMPRESSION

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx

    from hwsim.training import DataSet

__all__ = ["LENETS", "Lenet", "compress_lenet", "trained"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lenet:
    """A network of the paper, how long it is trained, and its recipe: sparsities and bits as in tables 2 and 3."""

    build: Callable[[Weights], onnx.ModelProto]
    paper: str
    """Its name there."""
    epochs: int
    recipe: str


LENETS = {
    "lenet-300-100": Lenet(
        build=lenet_300_100,
        paper="LeNet-300-100",
        epochs=20,
        recipe="""
            name: deep-compression
            steps:
              - prune:
                  schedule: {name: gradual, steps: 10}
                  sparsity: 0.92
                  layers: {fc2: 0.91, fc3: 0.74}
                  epochs: 40
              - share: {bits: 6, epochs: 10}
              - store: {index_bits: 5}
        """,
    ),
    "lenet-5": Lenet(
        build=lenet_5,
        paper="LeNet-5",
        epochs=12,
        recipe="""
            name: deep-compression
            steps:
              - prune:
                  schedule: {name: gradual, steps: 8}
                  sparsity: 0.92
                  layers: {conv1: 0.34, conv2: 0.88, fc2: 0.81}
                  epochs: 16
              - share: {bits: 5, layers: {conv*: 8}, epochs: 4}
              - store: {index_bits: 5, conv_index_bits: 8}
        """,
    ),
}


# A pixel at the border is black in every image, so nothing but decay moves the weights that read it.
SETTINGS = Settings(weight_decay=0.5)


def trained(lenet: Lenet, data: DataSet, checkpoints: Path | None = None) -> onnx.ModelProto:
    """The float network after training from its seed."""
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        path = Path(folder) / "lenet.onnx"
        path.write_bytes(lenet.build(Weights.SEEDED).SerializeToString())
        graph = float_graph(path)
    trainer = TorchTrainer(data, SETTINGS, checkpoints=checkpoints)
    return to_onnx(trainer.fit(graph, Masks.none(), lenet.epochs))


def compress_lenet(lenet: Lenet, data: DataSet, checkpoints: Path | None = None) -> Compression:
    """Train, then do what the recipe says."""
    recipe: Recipe = parse_recipe(lenet.recipe, lenet.paper)
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        path = Path(folder) / f"{lenet.paper.lower()}.onnx"
        path.write_bytes(trained(lenet, data, checkpoints).SerializeToString())
        return compress(str(path), recipe, data=data, settings=SETTINGS, checkpoints=checkpoints)


def main(names: list[str]) -> None:
    """Compress the named networks, both by default, and print their tables."""
    from rich.console import Console

    from hwsim.report.compression import compression_table, storage_table

    console = Console()
    data = load_mnist()
    published = {row.network: row for row in DEEP_COMPRESSION.rows()}
    for name in names or list(LENETS):
        lenet = LENETS[name]
        result = compress_lenet(lenet, data)
        console.print(compression_table(result))
        console.print(storage_table(result))
        paper = published[lenet.paper]
        before, now = (100 * (1 - (accuracy or 0)) for accuracy in (result.test_before, result.test))
        console.print(
            f"{name}: {storage_totals(result.storage).ratio_pqh:.1f}x (paper {paper.ratio_pqh:g}x), "
            f"test error {before:.2f} % before, {now:.2f} % now "
            f"(paper {paper.top1_error:g} %, {paper.top1_error_compressed:g} %)"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
