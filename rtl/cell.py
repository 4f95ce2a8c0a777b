"""Write a repeated component to Verilog once, and instantiate it.

Amaranth gives every submodule instance its own copy of the module text, so that an array of N x N processing
elements costs N x N copies. A :class:`Cell` keeps the source as it is and drops the copies: in the Python simulator it
elaborates to its own logic, and under :func:`emit` to an ``Instance`` of a module that is written on first use.
"""

import gc
import re
from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager

from amaranth import ClockSignal, Elaboratable, Instance, Module, ResetSignal, Value
from amaranth.back import rtlil
from amaranth.hdl import Fragment
from amaranth.lib import wiring
from amaranth.lib.wiring import Flow, In, Member

from rtl.blank import blank_memories, with_zeros
from rtl.emission import to_text

__all__ = ["Cell", "emit", "flat_ports"]


class Cell(wiring.Component):
    """A component whose logic is the same wherever its ``key`` is the same.

    Subclasses implement :meth:`body`, not ``elaborate``. A cell has at most one clock domain, ``sync``. Its ports
    should be plain vectors: a port with a layout costs a wire per field and per instance. A ``ResetInserter`` around
    a cell does not reach inside, for Verilog has no such thing; a cell that needs clearing has a port for it.

    Parameters
    ----------
    key : hashable
        Every parameter that :meth:`body` depends on.
    signature : mapping of members
        The ports.

    """

    def __init__(self, key: Hashable, signature: Mapping[str, Member]) -> None:
        self.key = key
        super().__init__(dict(signature))

    @abstractmethod
    def body(self) -> Module:
        """The logic."""

    def elaborate(self, platform: object) -> Elaboratable | Instance:
        return platform.instance(self) if isinstance(platform, _Emitter) else self.body()


def emit(top: wiring.Component, name: str) -> str:
    """Verilog of ``top`` as module ``name``, and of every cell under it, each cell once.

    Nested members of ``top`` are joined with one underscore: ``axi.awaddr`` becomes port ``axi_awaddr``. The same
    component gives the same bytes, in any process, so the text can be hashed to cache a build.

    Raises:
        EmissionError: see :func:`rtl.emission.to_text`.

    """
    emitter = _Emitter()
    with _uncollected():
        emitter.define(top, top, name)
        return to_text("".join(emitter.modules))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector: it walks the millions of tuples of a netlist again and again, half of all the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def flat_ports(component: wiring.Component) -> dict[str, tuple[Flow, Value]]:
    """Every port by its name in Verilog."""
    ports: dict[str, tuple[Flow, Value]] = {}
    for path, member, value in component.signature.flatten(component):
        name = "_".join(map(str, path))
        if name in ports:
            raise ValueError(f"{type(component).__name__} has two ports called {name}")
        ports[name] = (member.flow, Value.cast(value))
    return ports


class _Body(Elaboratable):
    """The logic of a cell, elaborated in place rather than instantiated."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def elaborate(self, platform: object) -> Module:
        return self._cell.body()


class _Emitter:
    """The ``platform`` that cells see while Verilog is being written. Remembers what it has emitted."""

    def __init__(self) -> None:
        self.modules: list[str] = []
        """RTLIL text, callees first."""
        self._names: dict[tuple[type[Cell], Hashable], str] = {}
        self._domain_ports: dict[str, frozenset[str]] = {}

    def define(self, ports_of: wiring.Component, logic: Elaboratable, name: str) -> None:
        ports = {port: (value, None) for port, (_, value) in flat_ports(ports_of).items()}
        fragment = Fragment.get(logic, self)
        with blank_memories(fragment):
            text = with_zeros(rtlil.convert(fragment, name, ports=ports, emit_src=False))
        # Which of these the module has is not asked for but found out: Amaranth adds them where logic is clocked.
        inputs = re.findall(r"^  wire .*\binput \d+ +\\(clk|rst)$", text, re.MULTILINE)
        self._domain_ports[name] = frozenset(inputs)
        self.modules.append(text if isinstance(logic, wiring.Component) else text.replace("attribute \\top 1\n", ""))

    def instance(self, cell: Cell) -> Instance:
        kind = (type(cell), cell.key)
        if (name := self._names.get(kind)) is None:
            stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(cell).__name__).lower()
            same = sum(other.__name__ == type(cell).__name__ for other, _ in self._names)
            self._names[kind] = name = f"{stem}_{same}" if same else stem
            self.define(cell, _Body(cell), name)
        ports = {("i_" if flow == In else "o_") + port: value for port, (flow, value) in flat_ports(cell).items()}
        domain = {"clk": ClockSignal(), "rst": ResetSignal()}
        return Instance(name, **ports, **{f"i_{port}": domain[port] for port in sorted(self._domain_ports[name])})
