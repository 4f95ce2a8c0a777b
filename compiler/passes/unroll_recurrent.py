"""LSTM and GRU as matrix products for the array and gates for the host."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compiler.ir import Attribute, Graph, Node, Tensor

__all__ = ["UnrollRecurrent"]

GATES = {"LSTM": 4, "GRU": 3}
ACTIVATIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh")}
MAX_STEPS = 1024
FLOAT = np.dtype(np.float32)


class UnrollRecurrent:
    """An ``LSTM`` or ``GRU`` becomes one product of all its inputs, and per step a recurrent product and its gates.

    The input's product ``[steps, features] x [features, gates * hidden]`` and the recurrent ones
    ``[1, hidden] x [hidden, gates * hidden]`` are ``FullyConnected``; the gates are the operators of
    :mod:`compiler.recurrent`. A GRU that resets before its product takes two recurrent ones. A first step that starts
    from zero takes none.

    Left alone: weights that are not constant floats, sequence lengths, peepholes, clipping, activations other than the
    default, batches, more than 1024 steps; and models that are quantised already, whose floats run on the host.
    """

    name = "unroll-recurrent"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for node in graph.walk(Node, *GATES):
            if _fits(graph, node) and not graph.select(Node, "QuantizeLinear", "DequantizeLinear"):
                graph.remove(node.name)
                _Unrolling(graph, node).run()
                changed = True
        return changed


def _fits(graph: Graph, node: Node) -> bool:
    weights = [graph.constant(name) for name in node.inputs[1:3]]
    bias = graph.constant(node.input(3))
    if any(w is None or w.dtype != FLOAT for w in weights) or (node.input(3) and bias is None):
        return False
    if node.input(4) or node.input(7) or {"clip", "activation_alpha", "activation_beta"} & set(node.attributes):
        return False
    if node.integer("layout", 0) or node.integer("input_forget", 0):
        return False
    shape = graph.tensor(node.input(0)).shape
    directions = weights[0].shape[0] if weights[0] is not None else 1
    activations = node.attributes.get("activations", ACTIVATIONS[node.op_type] * directions)
    if activations != ACTIVATIONS[node.op_type] * directions:
        return False
    states = [graph.constant(name) for name in node.inputs[5:7] if name]
    if any(state is not None and state.any() for state in states):
        return False
    return len(shape) == 3 and shape[1] == 1 and shape[0] <= MAX_STEPS


@dataclass
class _Unrolling:
    """The operators that take one recurrent node's place."""

    graph: Graph
    node: Node
    hidden: list[list[str]] = field(default_factory=list)
    """``[directions, steps]``: the hidden state after each step, in the order of the input."""
    last: dict[str, list[str]] = field(default_factory=lambda: {"hidden": [], "cell": []})

    def run(self) -> None:
        node, graph = self.node, self.graph
        weights = graph.constant(node.input(1))
        assert weights is not None, "that has been seen to"
        direction = node.text("direction", "forward")
        for place in range(weights.shape[0]):
            self._direction(place, backwards=direction == "reverse" or place == 1)
        steps = [state for states in zip(*self.hidden, strict=True) for state in states]
        for name, parts in zip(node.outputs, (steps, self.last["hidden"], self.last["cell"]), strict=False):
            if name:
                self._join(parts, name)

    def _direction(self, place: int, *, backwards: bool) -> None:
        graph, node = self.graph, self.node
        steps, _, features = graph.tensor(node.input(0)).shape
        gates = GATES[node.op_type]
        weights, recurrent = (np.asarray(graph.constant(name))[place] for name in node.inputs[1:3])
        size = recurrent.shape[1]
        bias = graph.constant(node.input(3))
        both = np.zeros((2, gates * size), np.float32) if bias is None else bias[place].reshape(2, -1)
        before, inside = both[0].copy(), np.zeros_like(both[1])
        split = 2 * size if node.op_type == "GRU" else gates * size
        before[:split] += both[1, :split]
        late = node.op_type == "GRU" and node.integer("linear_before_reset", 0) != 0
        (inside if late else before)[split:] += both[1, split:]

        where = f"{node.name}/{place}" if len(np.asarray(graph.constant(node.input(1)))) > 1 else node.name
        rows = self._reshape(node.input(0), (steps, features), f"{where}/inputs")
        x = self._product(rows, weights, before, f"{where}/input_product", steps)
        pieces = [recurrent] if late or node.op_type == "LSTM" else [recurrent[:split], recurrent[split:]]
        names = [graph.add_constant(f"{where}/recurrent", piece) for piece in pieces]
        bias_name = graph.add_constant(f"{where}/recurrent_bias", inside) if inside.any() else ""
        state, cell = (self._initial(i, place, size) for i in (5, 6))
        states = [""] * steps
        for step in reversed(range(steps)) if backwards else range(steps):
            at = f"{where}/step{step}"
            row = self._slice(x, step, f"{at}/input") if steps > 1 else x
            product = self._recurrent(state, names[0], bias_name, f"{at}/recurrent_product")
            if node.op_type == "LSTM":
                cell = self._emit("LSTMCell", (row, product, cell), (1, size), f"{at}/cell", "hwsim")
                state = self._emit("LSTMHidden", (row, product, cell), (1, size), f"{at}/hidden", "hwsim")
            elif late or not state:
                state = self._emit("GRUHidden", (row, product, state), (1, size), f"{at}/hidden", "hwsim")
            else:
                reset = self._emit("GRUReset", (row, product, state), (1, size), f"{at}/reset", "hwsim")
                new = self._recurrent(reset, names[1], "", f"{at}/candidate_product")
                state = self._emit("GRUHidden", (row, product, state, new), (1, size), f"{at}/hidden", "hwsim")
            states[step] = state
        self.hidden.append(states)
        self.last["hidden"].append(state)
        self.last["cell"].append(cell)

    def _initial(self, index: int, place: int, size: int) -> str:
        """The state to start from, ``[1, hidden]``; empty for zero."""
        name = self.node.input(index)
        if not name or self.graph.constant(name) is not None:
            return ""
        part = self._slice(name, place, f"{name}/{place}") if self.graph.tensor(name).shape[0] > 1 else name
        return self._reshape(part, (1, size), f"{name}/{place}/row")

    def _product(self, x: str, weights: NDArray, bias: NDArray, name: str, rows: int) -> str:
        constants = [self.graph.add_constant(f"{name}/weights", weights)]
        if bias.any():
            constants.append(self.graph.add_constant(f"{name}/bias", bias))
        return self._emit("FullyConnected", (x, *constants), (rows, len(weights)), name, "hwsim", transB=1)

    def _recurrent(self, state: str, weights: str, bias: str, name: str) -> str:
        if not state and bias:
            return self.graph.add_constant(f"{name}/from_zero", np.asarray(self.graph.constant(bias))[None])
        if not state:
            return ""
        inputs = (state, weights, bias) if bias else (state, weights)
        rows = self.graph.tensor(weights).shape[0]
        return self._emit("FullyConnected", inputs, (1, rows), name, "hwsim", transB=1)

    def _slice(self, name: str, index: int, output: str) -> str:
        shape = (1, *self.graph.tensor(name).shape[1:])
        if self.graph.opset < 10:
            return self._emit("Slice", (name,), shape, output, starts=(index,), ends=(index + 1,), axes=(0,))
        ends = [self.graph.add_constant(f"{output}/{i}", np.asarray([i], np.int64)) for i in (index, index + 1, 0)]
        return self._emit("Slice", (name, *ends), shape, output)

    def _reshape(self, name: str, shape: tuple[int, ...], output: str) -> str:
        target = self.graph.add_constant(f"{output}/shape", np.asarray(shape, np.int64))
        return self._emit("Reshape", (name, target), shape, output)

    def _join(self, parts: list[str], output: str) -> None:
        """Rows side by side, as the shape that ``output`` has."""
        graph = self.graph
        row = parts[0]
        if len(parts) > 1:
            size = sum(graph.tensor(part).size for part in parts)
            row = self._emit("Concat", tuple(parts), (1, size), f"{output}/rows", axis=1)
        target = graph.add_constant(f"{output}/shape", np.asarray(graph.tensor(output).shape, np.int64))
        graph.add(Node(graph.fresh(f"{output}/reshape"), "Reshape", (row, target), (output,)))

    def _emit(
        self, op_type: str, inputs: tuple[str, ...], shape: tuple[int, ...], name: str, domain: str = "",
        **attributes: Attribute,
    ) -> str:  # fmt: skip
        name = self.graph.fresh(name)
        self.graph.add_tensor(Tensor(name, shape, FLOAT))
        self.graph.add(Node(f"{name}:{op_type}", op_type, inputs, (name,), attributes, domain))
        return name
