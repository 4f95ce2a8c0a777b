"""Energy of switching activity: each change of a net costs C V² / 2 and what the cells on it take inside.

    E = Σ over nets of changes × (load V² / 2)
      + Σ over cells of changes of an output × internal energy (slew, load) + of an input that has one of its own

Internal energies are means of rising and falling edges and of the conditions that a library tells apart. A clock gate
and what is behind it is clock; a flip-flop's output is a register's; all else is arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwsim.silicon.netlist.netlist import Instance, Netlist
    from hwsim.silicon.switching.activity import Activity

__all__ = ["Energy", "Meter"]

_PASSES = 4
"""Times that slews are passed from inputs to outputs: they settle after two, for they depend on load much more."""


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy per cycle by what takes it, in pJ."""

    clock: float = 0.0
    register: float = 0.0
    logic: float = 0.0

    @property
    def total(self) -> float:
        """All of it; leakage apart."""
        return sum(getattr(self, field.name) for field in fields(self))


class Meter:
    """Prices a netlist's changes of nets. ``slew_ps`` is what its inputs have."""

    def __init__(self, netlist: Netlist, slew_ps: float) -> None:
        self._netlist = netlist
        self._volt2 = netlist.library.voltage_v**2
        self._slews = self._settled(slew_ps)

    def energy(self, activity: Activity) -> Energy:
        """Mean energy per cycle."""
        clock = register = logic = 0.0
        for instance in self._netlist.instances:
            inside = self._inside(instance, activity)
            driven = sum(self._charge(net, activity) for _, net in instance.outputs())
            clock += self._clock_pin_energy(instance, activity)
            if instance.cell.gates_clock:
                clock += inside + driven
            elif instance.cell.state is not None:
                register += inside + driven
            else:
                logic += inside + driven
        for port in self._netlist.ports:
            if port.is_input:
                charge = sum(self._charge(net, activity) for net in port.nets)
                if port.name == "clk":
                    clock += charge
                else:
                    register += charge
        return Energy(clock / 1000, register / 1000, logic / 1000)

    def _charge(self, net: str, activity: Activity) -> float:
        """CV²/2 per change, in fJ per cycle."""
        return activity.per_cycle(net) * self._netlist.load_ff.get(net, 0.0) * self._volt2 / 2

    def _inside(self, instance: Instance, activity: Activity) -> float:
        """Of an instance's outputs, and of inputs other than the clock, in fJ per cycle."""
        total = 0.0
        for pin, net in instance.nets.items():
            arcs = [arc for arc in instance.cell.pins[pin].arcs if arc.energy_fj]
            if not arcs or pin == instance.cell.clock_pin or not (changes := activity.per_cycle(net)):
                continue
            load = self._netlist.load_ff.get(net, 0.0) if instance.cell.pins[pin].is_output else 0.0
            each = [arc.energy(self._slews.get(instance.nets.get(arc.related, ""), 0.0), load) for arc in arcs]
            total += changes * sum(each) / len(each)
        return total

    def _clock_pin_energy(self, instance: Instance, activity: Activity) -> float:
        pin = instance.cell.clock_pin
        if pin is None:
            return 0.0
        net = instance.nets[pin]
        return activity.per_cycle(net) * sum(
            arc.energy(self._slews.get(net, 0.0), 0.0) for arc in instance.cell.pins[pin].arcs
        )

    def _settled(self, slew_ps: float) -> dict[str, float]:
        """Transition time of every net: from inputs through cells, loads as they are."""
        slews = dict.fromkeys(self._netlist.nets, slew_ps)
        for _ in range(_PASSES):
            for instance in self._netlist.instances:
                for pin, net in instance.outputs():
                    load = self._netlist.load_ff.get(net, 0.0)
                    arcs = [arc for arc in instance.cell.pins[pin].arcs if arc.slew_ps]
                    each = [arc.slew(slews.get(instance.nets[arc.related], slew_ps), load) for arc in arcs]
                    if each:
                        slews[net] = sum(each) / len(each)
        return slews
