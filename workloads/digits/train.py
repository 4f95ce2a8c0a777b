"""Trains the digits networks and writes the ONNX files that ship beside this one.

``python -m workloads.digits.train`` takes about a minute on one core. The same seed, numpy and kind of processor give
the same bytes: one BLAS thread, one stream of random numbers, nothing read from the clock.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workloads.digits import networks
from workloads.digits.data import Digits, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from workloads.digits.layers import Parameter, Sequential

__all__ = ["NETWORKS", "Adam", "Recipe", "accuracy", "train"]

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to train: Adam, the learning rate falling to zero along half a cosine."""

    seed: int = 1
    epochs: int = 40
    batch: int = 64
    rate: float = 3e-3
    weight_decay: float = 1e-2
    shift: int = 1
    """How many pixels, at most, an image is moved each way, anew in each epoch. Good for convolutions."""


NETWORKS: dict[str, tuple[Callable[[int], Sequential], Recipe, Path]] = {
    "digits-cnn": (networks.cnn, Recipe(), FOLDER / "digits_cnn.onnx"),
    "digits-mlp": (networks.mlp, Recipe(shift=0), FOLDER / "digits_mlp.onnx"),
}


class Adam:
    """Adam with decoupled weight decay, as in Loshchilov and Hutter, ICLR 2019; only matrices and kernels decay."""

    BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, parameters: list[Parameter], weight_decay: float) -> None:
        self._parameters, self._decay, self._time = parameters, weight_decay, 0
        self._first = [np.zeros_like(p.value) for p in parameters]
        self._second = [np.zeros_like(p.value) for p in parameters]

    def step(self, rate: float) -> None:
        """Moves every parameter against its gradient."""
        self._time += 1
        unbias1, unbias2 = 1 - self.BETA1**self._time, 1 - self.BETA2**self._time
        for p, first, second in zip(self._parameters, self._first, self._second, strict=True):
            first[...] += (1 - self.BETA1) * (p.grad - first)
            second[...] += (1 - self.BETA2) * (p.grad**2 - second)
            if p.value.ndim > 1:
                p.value *= 1 - rate * self._decay
            p.value -= rate * (first / unbias1) / (np.sqrt(second / unbias2) + self.EPSILON)


def accuracy(network: Sequential, images: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The fraction of NCHW ``images`` for which the largest logit is the label's."""
    logits = network(_channels_last(images))
    return float((logits.argmax(axis=1) == labels).mean())


def train(network: Sequential, digits: Digits, recipe: Recipe, report: Callable[[str], None]) -> None:
    """Trains ``network`` in place, and gives ``report`` a line an epoch."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    rng = np.random.default_rng(recipe.seed)
    adam = Adam(network.parameters(), recipe.weight_decay)
    batches = len(digits.train_x) // recipe.batch
    network.train(training=True)
    with threadpool_limits(1):  # how BLAS splits a sum over threads decides its last bits
        for epoch in range(recipe.epochs):
            order = rng.permutation(len(digits.train_x))[: batches * recipe.batch]
            losses = []
            for index, chosen in enumerate(order.reshape(batches, recipe.batch)):
                images = _channels_last(_moved(digits.train_x[chosen], recipe.shift, rng))
                logits = network(images)
                loss, grad = _cross_entropy(logits, digits.train_y[chosen])
                network.backward(grad)
                progress = (epoch + index / batches) / recipe.epochs
                adam.step(recipe.rate * 0.5 * (1 + np.cos(np.pi * progress)))
                losses.append(loss)
            report(f"{network.name}: epoch {epoch + 1}/{recipe.epochs}, loss {np.mean(losses):.4f}")
    network.train(training=False)


def _channels_last(images: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


def _moved(images: NDArray[np.float32], shift: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Each image moved by -shift..shift pixels down and right, zeros coming in: the writer's hand, not the digit."""
    padded = np.pad(images, ((0, 0), (0, 0), (shift, shift), (shift, shift)))
    corners = rng.integers(0, 2 * shift + 1, (len(images), 2))
    height, width = images.shape[2:]
    return np.stack([p[:, y : y + height, x : x + width] for p, (y, x) in zip(padded, corners, strict=True)])


def _cross_entropy(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[float, NDArray[np.float32]]:
    """The mean loss of a batch, and its gradient with respect to the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    grad = np.exp(shifted - log_sum)
    grad[rows, labels] -= 1
    return float((log_sum[:, 0] - shifted[rows, labels]).mean()), grad / np.float32(len(labels))


def main(arguments: list[str] | None = None) -> None:
    """Trains the networks named on the command line, both by default, and writes their ONNX files."""
    from rich.console import Console

    from workloads.digits.export import to_onnx

    say = Console(highlight=False, soft_wrap=True).print
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"from {', '.join(NETWORKS)}; default: all")
    parser.add_argument("--seed", type=int, help="default: the network's own")
    parser.add_argument("--epochs", type=int, help="default: the network's own")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder for the files; default: beside the trainer")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(NETWORKS):
        parser.error(f"unknown network {sorted(unknown)[0]!r} (choose from {', '.join(NETWORKS)})")

    digits = load()
    changes = {k: v for k, v in {"seed": options.seed, "epochs": options.epochs}.items() if v is not None}
    for name in options.names or NETWORKS:
        make, recipe, path = NETWORKS[name]
        recipe = replace(recipe, **changes)
        network = make(recipe.seed)
        train(network, digits, recipe, say)
        tested = accuracy(network, digits.test_x, digits.test_y)
        description = f"{recipe}; float accuracy on {len(digits.test_y)} test images {tested:.4f}"
        target = options.output / path.name
        target.write_bytes(to_onnx(network, description).SerializeToString(deterministic=True))
        say(f"{name}: test accuracy {tested:.2%}, written to {target}")


if __name__ == "__main__":
    main()
