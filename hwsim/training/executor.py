"""The graph IR on PyTorch: the same operators, constants and names, for many samples at once and with gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from compiler.errors import ModelError
from compiler.ir import Graph, Node
from hwsim.training.operators import OPERATORS, Call
from hwsim.training.parameters import statistics, trained
from hwsim.training.straight_through import bipolar, fake_quantize, quantize_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from compiler.ir import QuantParams
    from hwsim.training.straight_through import Quantiser

__all__ = ["Executor"]


class Executor:
    """Runs a float graph. There is no second definition of the model: its operators are run one by one, in order.

    ``parameters`` are the constants that :func:`hwsim.training.parameters.trained` names, as leaves that collect
    gradients; ``statistics`` the running means and variances of batch norms, which a forward pass in training updates.
    The graph itself is not changed; :meth:`graph` makes one with the present values.

    ``masks`` (True where kept) and ``quantisers`` say what the forward pass sees of a parameter; ``activations`` gives
    tensors that are rounded to their int8 grid as they are made, for quantisation-aware training.

    Raises:
        ModelError: naming the first operator that cannot be trained through.

    """

    def __init__(
        self,
        graph: Graph,
        *,
        masks: Mapping[str, NDArray[np.bool_]] | None = None,
        quantisers: Mapping[str, Quantiser] | None = None,
        activations: Mapping[str, QuantParams] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._source = graph
        self._nodes = graph.select(Node)
        _check(self._nodes)
        self._dtype = dtype
        self.parameters = {name: self._constant(name).requires_grad_() for name in trained(graph)}
        self.statistics = {name: self._constant(name) for name in statistics(graph)}
        used = dict.fromkeys(name for node in self._nodes for name in node.inputs if graph.constant(name) is not None)
        self._fixed = {n: self._constant(n) for n in used if n not in self.parameters and n not in self.statistics}
        self._masks = {name: torch.from_numpy(mask) for name, mask in (masks or {}).items()}
        self._quantisers = dict(quantisers or {})
        self._activations = dict(activations or {})
        _check_names("mask", self._masks, self.parameters)
        _check_names("quantiser", self._quantisers, self.parameters)
        self.apply_masks()

    def _constant(self, name: str) -> Tensor:
        value = torch.from_numpy(np.array(self._source.constant(name)))
        return value.to(self._dtype) if value.is_floating_point() else value

    def apply_masks(self) -> None:
        """Set every pruned element to zero, for good."""
        with torch.no_grad():
            for name, mask in self._masks.items():
                self.parameters[name].masked_fill_(~mask, 0.0)

    def seen(self, name: str) -> Tensor:
        """A parameter as the forward pass sees it: pruned and quantised."""
        value = self.parameters[name]
        if name in self._masks:
            value = value * self._masks[name].to(value.dtype)
        return quantize_weights(value, self._quantisers[name]) if name in self._quantisers else value

    def __call__(
        self, inputs: Mapping[str, Tensor], *, training: bool = False, wanted: Iterable[str] = ()
    ) -> dict[str, Tensor]:
        """The tensors ``wanted`` and the graph's outputs, for ``inputs`` by port, each ``[n, ...]``.

        Raises:
            ModelError: an operator refuses, or mixes the samples of a batch.

        """
        values = {port.tensor: self._rounded(port.tensor, inputs[port.name]) for port in self._source.input_ports}
        constants = {**self._fixed, **self.statistics, **{name: self.seen(name) for name in self.parameters}}
        for node in self._nodes:
            operands = tuple((constants.get(name, values.get(name)) if name else None) for name in node.inputs)
            for name, value in zip((n for n in node.outputs if n), self._run(node, operands, training), strict=False):
                values[name] = self._rounded(name, value)
        return {name: values[name] for name in (*wanted, *self._source.outputs)}

    def _run(self, node: Node, operands: tuple[Tensor | None, ...], training: bool) -> tuple[Tensor, ...]:
        call = Call(graph=self._source, node=node, inputs=operands, training=training)
        try:
            result = OPERATORS[node.op_type](call)
        except (RuntimeError, IndexError) as error:  # what PyTorch raises on shapes is about this node
            raise call.error(f"cannot be trained: {str(error).splitlines()[0]}") from error
        first, *rest = result if isinstance(result, tuple) else (result,)
        low, high = node.clip()
        if np.isfinite(low) or np.isfinite(high):
            first = torch.clamp(first, low, high)
        scale = node.bipolar()
        return (first if scale is None else bipolar(first, scale), *rest)

    def _rounded(self, name: str, value: Tensor) -> Tensor:
        quant = self._activations.get(name)
        return value if quant is None else fake_quantize(value, quant)

    def state(self) -> dict[str, NDArray]:
        """The present value of every parameter and statistic, copied, by name."""
        return {name: value.detach().numpy().copy() for name, value in {**self.parameters, **self.statistics}.items()}

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Take back what :meth:`state` returned."""
        with torch.no_grad():
            for name, value in {**self.parameters, **self.statistics}.items():
                value.copy_(torch.from_numpy(state[name]))

    def graph(self) -> Graph:
        """A copy of the source with the present parameters and statistics, in the types that it had."""
        result = self._source.copy()
        for name, value in self.state().items():
            result.set_constant(name, value.astype(result.tensor(name).dtype))
        return result


def _check(nodes: list[Node]) -> None:
    for node in nodes:
        if node.op_type not in OPERATORS:
            known = ", ".join(sorted(OPERATORS))
            raise ModelError(f"node {node.name!r} ({node.op_type}): training knows no such operator; known: {known}")


def _check_names(what: str, given: Mapping[str, object], parameters: Mapping[str, Tensor]) -> None:
    for name in given:
        if name not in parameters:
            raise ModelError(f"there is a {what} for {name!r}, which is no trained constant of the network")
