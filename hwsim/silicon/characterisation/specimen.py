"""One netlist, synthesised, timed and ready to be measured on any operands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.silicon.netlist.netlist import Netlist
from hwsim.silicon.netlist.timing import Timing, analyse
from hwsim.silicon.switching.activity import simulate, simulate_windows
from hwsim.silicon.switching.power import Energy, Meter
from hwsim.silicon.synthesis.cells import Recipe, synthesise
from hwsim.silicon.tools import absent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hwsim.silicon.library.technology import Technology
    from hwsim.silicon.switching.stimulus import Stimulus

__all__ = ["Measured", "Specimen"]

_SIMULATED_PERIOD = 1.25
"""Of the longest path: every net settles in its cycle."""
_UNTIMED_PERIOD_PS = 1000.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Energy per cycle, in pJ."""

    settled: Energy
    """Without delays: each net changes once a cycle at most."""
    total: Energy | None
    """With delays. None without OpenSTA, which makes them."""

    @property
    def best(self) -> Energy:
        """With glitches where they are known."""
        return self.total or self.settled

    @property
    def glitches(self) -> float:
        """What delays add, in pJ; 0 where they are not known."""
        return self.total.total - self.settled.total if self.total else 0.0


class Specimen:
    """A module of some Verilog in the cells of ``technology``. Files go to ``folder``.

    ``constraints`` as of :func:`~hwsim.silicon.synthesis.cells.synthesise`.

    Raises:
        ToolError: Yosys is missing, or refuses the Verilog.

    """

    def __init__(
        self,
        verilog: str,
        top: str,
        technology: Technology,
        folder: Path,
        recipe: Recipe,
        *,
        constraints: str | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        module = synthesise(verilog, top, technology, recipe, folder, constraints=constraints)
        self.netlist = Netlist(top, module, technology.library)
        self.timing: Timing | None = None
        # An edge that a typical cell would give.
        slew = technology.typical_slew_ps
        if absent("opensta") is None:
            self.timing = analyse(self.netlist, technology, folder, slew_ps=slew, sdf=True)
        self._meter = Meter(self.netlist, slew)

    def measure(self, stimulus: Stimulus) -> Measured:
        """Energy of the netlist on ``stimulus``, without glitches and with them; its outputs are checked.

        Raises:
            ToolError: Icarus is missing.
            SimulationError: an output is not what is expected.

        """
        return Measured(self._settled(stimulus), None if self.timing is None else self._timed(stimulus, self.timing))

    def energy(self, stimulus: Stimulus) -> Energy:
        """:attr:`Measured.best` of :meth:`measure`, in half the time."""
        return self._settled(stimulus) if self.timing is None else self._timed(stimulus, self.timing)

    def energies(self, stimulus: Stimulus, windows: Sequence[range]) -> list[Energy]:
        """As :meth:`energy`, of each of ``windows``: cycles of ``stimulus`` between its start and its stop."""
        period, launch = _UNTIMED_PERIOD_PS, 0.0
        if self.timing is not None:
            period, launch = _SIMULATED_PERIOD * self.timing.period_ps, self.timing.launch_ps
        timed = self.timing is not None
        found = simulate_windows(
            self.netlist, stimulus, windows, self._folder, period_ps=period, launch_ps=launch, delays=timed
        )
        return [self._meter.energy(activity) for activity in found]

    def _settled(self, stimulus: Stimulus) -> Energy:
        activity = simulate(
            self.netlist, stimulus, self._folder, period_ps=_UNTIMED_PERIOD_PS, launch_ps=0.0, delays=False
        )
        return self._meter.energy(activity)

    def _timed(self, stimulus: Stimulus, timing: Timing) -> Energy:
        period = _SIMULATED_PERIOD * timing.period_ps
        activity = simulate(
            self.netlist, stimulus, self._folder, period_ps=period, launch_ps=timing.launch_ps, delays=True
        )
        return self._meter.energy(activity)
