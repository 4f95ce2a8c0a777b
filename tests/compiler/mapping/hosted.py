"""A network with an operator that the accelerator lacks in its middle."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

import compiler
from compiler.ir import Graph
from tests.compiler.builders import model, op, rand, save

__all__ = ["hosted_network"]


@cache
def hosted_network(*, keep: bool) -> Graph:
    """Two convolutions, a sigmoid on the host, and a convolution that adds what the first one made.

    ``keep``: the first one's result is an output of the network as well.
    """
    nodes = [
        op("Conv", "x w1", "first", pads=[1, 1, 1, 1]),
        op("Conv", "first w2", "second"),
        op("Sigmoid", "second", "third"),
        op("Conv", "third w2", "fourth"),
        op("Add", "fourth first", "y"),
    ]
    proto = model(
        nodes,
        {"x": (1, 2, 6, 6)},
        "y first second" if keep else "y",
        {"w1": rand(3, 2, 3, 3), "w2": rand(3, 3, 1, 1, seed=1)},
    )
    with tempfile.TemporaryDirectory() as folder:
        samples = np.random.default_rng(0).standard_normal((4, 2, 6, 6)).astype(np.float32)
        return compiler.load(save(proto, Path(folder)), calibration=samples)
