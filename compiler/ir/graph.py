"""The graph that every stage of the compiler reads and rewrites: a thin typed layer over ``networkx.DiGraph``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import networkx as nx
import numpy as np

from compiler.ir.error import IRError
from compiler.ir.integer import Add, Conv, IntegerOp
from compiler.ir.node import Node
from compiler.ir.shapes import check_shapes
from compiler.ir.tensor import Port, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from compiler.ir.formats import Format

__all__ = ["Graph", "Operator", "outputs_of"]

Operator = Node | IntegerOp
Kind = TypeVar("Kind", bound=Operator)


def outputs_of(operator: Operator) -> tuple[str, ...]:
    """The tensors that an operator of either level writes."""
    return tuple(o for o in operator.outputs if o) if isinstance(operator, Node) else (operator.output,)


class Graph:
    """Operators are nodes, tensors are edges; constants belong to the graph and have no edge.

    Iteration is topological, and by order of insertion where that leaves a choice: equal graphs compile to equal
    programs. A replaced operator keeps its place.
    """

    def __init__(self, name: str = "model", *, opset: int = 13) -> None:
        self.name = name
        self.opset = opset
        self.input_ports: tuple[Port, ...] = ()
        self.output_ports: tuple[Port, ...] = ()
        self.notes: tuple[str, ...] = ()
        """What the user should know about how this graph was made, one sentence each."""
        self.formats: Mapping[str, Format] = {}
        """Of layers' weights before lowering, by the layer's name, as far as the file tells."""
        self._graph: nx.DiGraph = nx.DiGraph()
        self._tensors: dict[str, Tensor] = {}
        self._constants: dict[str, NDArray] = {}
        self._producer: dict[str, str] = {}
        self._consumers: dict[str, list[str]] = {}
        self._clock = 0
        self._order: list[Operator] | None = None
        """What :meth:`operators` found, until an operator comes or goes."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tensors that enter."""
        return tuple(port.tensor for port in self.input_ports)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The tensors that leave."""
        return tuple(port.tensor for port in self.output_ports)

    def __len__(self) -> int:
        return len(self._graph)

    def __contains__(self, name: object) -> bool:
        return name in self._graph

    def operators(self) -> list[Operator]:
        """Every operator, each after those it reads from.

        Raises:
            IRError: if the graph has a cycle.

        """
        if self._order is None:
            place = self._graph.nodes
            try:
                names = list(nx.lexicographical_topological_sort(self._graph, key=lambda name: place[name]["place"]))
            except nx.NetworkXUnfeasible as error:
                cycle = " -> ".join(edge[0] for edge in nx.find_cycle(self._graph))
                raise IRError(f"the graph has a cycle: {cycle}") from error
            self._order = [place[name]["operator"] for name in names]
        return list(self._order)

    def select(self, kind: type[Kind], *op_types: str) -> list[Kind]:
        """The operators of a class, in order; for :class:`Node`, of the named ``op_types``."""
        found = [op for op in self.operators() if isinstance(op, kind)]
        return [op for op in found if not op_types or (isinstance(op, Node) and op.op_type in op_types)]

    def walk(self, kind: type[Kind], *op_types: str) -> Iterator[Kind]:
        """Like :meth:`select`, for a loop that rewrites: each operator as it is when its turn comes, if it still is."""
        for found in self.select(kind, *op_types):
            current = self.operator(found.name) if found.name in self._graph else None
            if isinstance(current, kind) and (
                not op_types or (isinstance(current, Node) and current.op_type in op_types)
            ):
                yield current

    def operator(self, name: str) -> Operator:
        """The operator of that name."""
        return self._graph.nodes[name]["operator"]

    def tensor(self, name: str) -> Tensor:
        """The type of a tensor or constant.

        Raises:
            IRError: if there is none of that name.

        """
        if name in self._tensors:
            return self._tensors[name]
        if name in self._constants:
            array = self._constants[name]
            return Tensor(name, array.shape, array.dtype)
        raise IRError(f"there is no tensor {name!r}")

    def tensors(self) -> list[Tensor]:
        """Every tensor that is not a constant."""
        return list(self._tensors.values())

    def has_tensor(self, name: str) -> bool:
        """Whether a tensor or constant of that name is known."""
        return name in self._tensors or name in self._constants

    def constant(self, name: str) -> NDArray | None:
        """The value of a constant; None for anything that is computed or omitted."""
        return self._constants.get(name)

    def producer(self, tensor: str) -> Operator | None:
        """The operator that writes ``tensor``; None for inputs and constants."""
        name = self._producer.get(tensor)
        return None if name is None else self.operator(name)

    def consumers(self, tensor: str) -> list[Operator]:
        """The operators that read ``tensor``, each once."""
        return [self.operator(name) for name in self._consumers.get(tensor, [])]

    def sole_consumer(self, tensor: str) -> Operator | None:
        """The one operator that reads ``tensor``; None if it has several readers or leaves the graph."""
        names = self._consumers.get(tensor, [])
        return self.operator(names[0]) if len(names) == 1 and tensor not in self.outputs else None

    def add_tensor(self, tensor: Tensor) -> None:
        """Declare a tensor, or change its type."""
        self._tensors[tensor.name] = tensor

    def add_constant(self, name: str, value: NDArray) -> str:
        """Declare a constant under ``name``, or the next free name like it; returns the name it got."""
        name = self.fresh(name)
        self.set_constant(name, value)
        return name

    def set_constant(self, name: str, value: NDArray) -> None:
        """Give the constant of exactly this name a value."""
        self._constants[name] = np.asarray(value)

    def fresh(self, name: str) -> str:
        """``name``, or the first of ``name_1``, ``name_2`` … that no tensor or operator has."""
        candidate, count = name, 0
        while self.has_tensor(candidate) or candidate in self._graph:
            count += 1
            candidate = f"{name}_{count}"
        return candidate

    def add(self, operator: Operator, *, place: float | None = None) -> None:
        """Insert an operator; its outputs must be declared by :meth:`add_tensor`, before or after.

        Raises:
            IRError: if its name is taken, or one of its outputs already has a producer.

        """
        if operator.name in self._graph:
            raise IRError(f"there are two operators {operator.name!r}")
        for name in outputs_of(operator):
            if name in self._producer or name in self._constants:
                raise IRError(f"{operator.name}: tensor {name!r} is written twice")
        self._clock += 1
        self._order = None
        self._graph.add_node(operator.name, operator=operator, place=self._clock if place is None else place)
        for name in outputs_of(operator):
            self._producer[name] = operator.name
            for reader in self._consumers.get(name, []):
                self._graph.add_edge(operator.name, reader)
        for name in dict.fromkeys(n for n in operator.inputs if n):
            self._consumers.setdefault(name, []).append(operator.name)
            if name in self._producer:
                self._graph.add_edge(self._producer[name], operator.name)

    def remove(self, name: str) -> None:
        """Take an operator out; the tensors that it wrote have no producer until another writes them."""
        operator = self.operator(name)
        for tensor in outputs_of(operator):
            del self._producer[tensor]
        for tensor in dict.fromkeys(n for n in operator.inputs if n):
            self._consumers[tensor].remove(name)
        self._order = None
        self._graph.remove_node(name)

    def replace(self, name: str, operator: Operator) -> None:
        """Put another operator in the place of the one called ``name``."""
        place = self._graph.nodes[name]["place"]
        self.remove(name)
        self.add(operator, place=place)

    def insert_before(self, name: str, operator: Operator) -> None:
        """Add an operator, placed before the one called ``name`` where the order is free."""
        self.add(operator, place=self._graph.nodes[name]["place"] - 0.5)

    def redirect(self, old: str, new: str) -> None:
        """Make every reader of the tensor ``old``, and the outputs, read ``new``."""
        for operator in self.consumers(old):
            self.replace(operator.name, _rewire(operator, old, new))
        self.output_ports = tuple(
            Port(p.name, new if p.tensor == old else p.tensor, p.dtype, p.layout) for p in self.output_ports
        )

    def drop_unused(self) -> bool:
        """Forget tensors and constants that nothing reads, writes or returns; returns whether there were any."""
        used = {n for op in self.operators() for n in (*op.inputs, *outputs_of(op))} | {*self.inputs, *self.outputs}
        before = len(self._tensors) + len(self._constants)
        self._tensors = {n: t for n, t in self._tensors.items() if n in used}
        self._constants = {n: c for n, c in self._constants.items() if n in used}
        self._consumers = {n: c for n, c in self._consumers.items() if c}
        return len(self._tensors) + len(self._constants) != before

    def copy(self) -> Graph:
        """An independent graph with the same operators, constants and order."""
        twin = Graph(self.name, opset=self.opset)
        twin.input_ports, twin.output_ports, twin.notes = self.input_ports, self.output_ports, self.notes
        twin.formats = self.formats
        twin._graph = self._graph.copy()
        twin._tensors, twin._constants = dict(self._tensors), dict(self._constants)
        twin._producer = dict(self._producer)
        twin._consumers = {name: list(readers) for name, readers in self._consumers.items()}
        twin._clock = self._clock
        return twin

    def verify(self) -> None:
        """Check that every tensor is declared and has one source, and that shapes follow from the operators.

        Raises:
            IRError: naming the operator and the tensor.

        """
        known = set(self.inputs) | set(self._constants)
        for operator in self.operators():
            for name in operator.inputs:
                if name and name not in known:
                    raise IRError(f"{operator.name}: input {name!r} has no source")
            for name in outputs_of(operator):
                if name not in self._tensors:
                    raise IRError(f"{operator.name}: output {name!r} has no type")
            known.update(outputs_of(operator))
            if isinstance(operator, IntegerOp):
                check_shapes(operator, self.tensor)
        for name in _missing(self.outputs, known):
            raise IRError(f"output {name!r} has no source")


def _missing(names: Iterable[str], known: set[str]) -> list[str]:
    return [name for name in names if name not in known]


def _rewire(operator: Operator, old: str, new: str) -> Operator:
    inputs = tuple(new if name == old else name for name in operator.inputs)
    if isinstance(operator, (Add, Conv)) and operator.residual is not None and operator.residual.tensor == old:
        return replace(operator, inputs=inputs, residual=replace(operator.residual, tensor=new))
    return replace(operator, inputs=inputs)
