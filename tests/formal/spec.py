"""What a proof is written in: assumptions, named properties, and a look inside the design under proof."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cat, Cover, Elaboratable, Fragment, Module, ResetSignal, Shape, Signal, Value
from amaranth.hdl._mem import MemoryInstance
from amaranth.lib import wiring

__all__ = ["Access", "Inside", "Spec", "anything", "past"]


class Spec(Elaboratable):
    """A design under proof, what surrounds it, and what must hold. Subclasses implement :meth:`specify`.

    Whatever is left undriven in ``inputs`` may have any value in any cycle. The proof begins in the state after reset.
    """

    def __init__(self) -> None:
        self.inputs: list[Signal] = []
        self.with_lemmas = True
        """Off where a bug is looked for: it shall be seen from outside."""

    @abstractmethod
    def specify(self, m: Module) -> None:
        """Add the design to ``m``, and say what is assumed and what must hold."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self.specify(m)
        m.d.comb += Assume(~ResetSignal("sync"))
        return m

    def free(self, shape: object, name: str) -> Signal:
        """An input of the proof: any value, in every cycle anew."""
        signal = Signal(shape, name=name)
        self.inputs.append(signal)
        return signal

    def free_ports(self, component: wiring.Component, *driven: str) -> None:
        """Leave all inputs of ``component`` free, but those whose names begin with one of ``driven``."""
        for path, member, value in component.signature.flatten(component):
            name = "_".join(map(str, path))
            # Solvers have no values of no bits.
            if member.flow == wiring.In and not name.startswith(driven or ("\0",)) and len(Value.cast(value)):
                self.inputs.append(Value.cast(value))

    def assume(self, m: Module, *conditions: Value) -> None:
        """Consider only runs in which all of these always hold."""
        m.d.comb += [Assume(condition) for condition in conditions]

    def check(self, m: Module, name: str, condition: Value) -> None:
        """``condition`` must hold in every cycle. A counterexample is reported by this ``name``."""
        holds = Signal(name=f"check_{name}")
        m.d.comb += [holds.eq(condition), Assert(holds, name)]

    def lemma(self, m: Module, name: str, condition: Value) -> None:
        """``condition`` is proved as well, of the design's inside: induction needs it, nobody else does."""
        if self.with_lemmas:
            self.check(m, name, condition)

    def reach(self, m: Module, name: str, condition: Value) -> None:
        """``condition`` must hold in some cycle of some run: the assumptions leave something to prove."""
        holds = Signal(name=f"reach_{name}")
        m.d.comb += [holds.eq(condition), Cover(holds, name)]


@dataclass(frozen=True)
class Access:
    """A port of a memory: ``address`` counts while ``en``.

    It has the memory's own width, so it cannot be outside; whether it is the one that was meant is to be compared with
    one that is wider.
    """

    en: Value
    address: Value
    data: Value


class Inside(Elaboratable):
    """A design whose inner signals and memories can be read: ``inside["queue.level"]``.

    What is read is the elaborated design's own; nothing is added to it but read ports.
    """

    def __init__(self, design: Elaboratable) -> None:
        self.fragment = Fragment.get(design, None)

    def elaborate(self, platform: object) -> Fragment:
        return self.fragment

    def __getitem__(self, path: str) -> Signal:
        return self.signal(path)

    def signal(self, path: str, width: int | None = None) -> Signal:
        """The signal of this name, and of this width where several have the name.

        Raises:
            LookupError: there is none, or more than one.

        """
        *parents, name = path.split(".")
        signals = {id(s): s for s in self._signals(self._find(parents)) if s.name == name}
        found = [s for s in signals.values() if width in (None, len(s))]
        if len(found) != 1:
            raise LookupError(f"{len(found)} signals called {path}; there are {sorted(self.names(*parents))}")
        return found[0]

    def names(self, *parents: str) -> set[str]:
        """Signals that are driven in a submodule."""
        return {signal.name for signal in self._signals(self._find(list(parents)))}

    def in_state(self, fsm: str, *states: str) -> Value:
        """The FSM of this name is in one of these states."""
        signal = self.signal(f"{fsm}_state")
        names = [_state_name(signal, number) for number in range(1 << len(signal))]
        return Cat(signal == names.index(state) for state in states).any()

    def row(self, m: Module, path: str, address: Value) -> Signal:
        """The row of memory ``path`` at ``address`` as it is in this cycle."""
        memory = self._memory(path)
        held = Signal(Shape.cast(memory._data.shape), name=f"row_of_{path.replace('.', '_')}")
        where = Signal((memory._data.depth - 1).bit_length(), name=f"address_of_{path.replace('.', '_')}")
        m.d.comb += where.eq(address)
        memory.read_port(domain="comb", addr=where, data=held, en=Value.cast(1), transparent_for=())
        return held

    def read(self, path: str) -> Access:
        """The read port of memory ``path``, which has one; its data follow a cycle later."""
        (port,) = (port for port in self._memory(path)._read_ports if port._domain != "comb")
        return Access(port._en, port._addr, port._data)

    def write(self, path: str) -> Access:
        """The write port of memory ``path``, which has one."""
        (port,) = self._memory(path)._write_ports
        return Access(port._en.any(), port._addr, port._data)

    def _memory(self, path: str) -> MemoryInstance:
        memory = self._find(path.split("."))
        assert isinstance(memory, MemoryInstance)
        return memory

    def _find(self, path: list[str]) -> Fragment:
        fragment = self.fragment
        for name in path:
            fragment = fragment.find_subfragment(name)
        return fragment

    def _signals(self, fragment: Fragment) -> Iterator[Signal]:
        for statements in fragment.statements.values():
            for statement in statements:
                yield from statement._lhs_signals()


def _state_name(signal: Signal, number: int) -> str | None:
    """The name of an FSM's state; none of a number that no state has."""
    try:
        return str(signal.decoder(number)).split("/")[0]
    except KeyError:
        return None


def anything(m: Module, shape: object, name: str) -> Signal:
    """Some value, the same in all cycles: what is proved of it is proved of all."""
    signal = Signal(shape, name=name)
    m.d.comb += signal.eq(AnyConst(Shape.cast(shape)))
    return signal


def past(m: Module, value: Value, name: str) -> Signal:
    """``value`` in the cycle before; zero in the first one."""
    before = Signal(Shape.cast(Value.cast(value).shape()), name=f"past_{name}")
    m.d.sync += before.eq(value)
    return before
