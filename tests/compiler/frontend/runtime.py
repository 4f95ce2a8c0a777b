"""What the reference interpreter computes for a model, beside ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

import compiler
from compiler.ir import Graph
from tests.compiler.builders import save


def run(graph: Graph, **inputs: np.ndarray) -> np.ndarray:
    return next(iter(compiler.read_outputs(graph, compiler.interpret(graph, inputs)).values()))


def against_onnxruntime(proto: object, folder: Path, *, tolerance: int = 0) -> Graph:
    path = save(proto, folder)  # type: ignore[arg-type]
    graph = compiler.load(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for _ in range(4):
        feeds = {}
        for port in graph.input_ports:
            bounds = np.iinfo(port.dtype)
            feeds[port.name] = rng.integers(bounds.min, bounds.max + 1, port.shape).astype(port.dtype)
        want = session.run(None, feeds)[0]
        got = run(graph, **feeds)
        assert got.dtype == want.dtype
        assert np.abs(got.astype(int) - want).max() <= tolerance
        assert len(np.unique(want)) > 2
    return graph
