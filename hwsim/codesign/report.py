"""What pruning came to, layer by layer, and its JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hwsim.codesign.state import LocalStep, RoundStep

if TYPE_CHECKING:
    from hwsim.codesign.settings import PruneSettings
    from hwsim.results import EnergyPj

__all__ = ["LayerSaving", "PruneReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSaving:
    """One layer of the accelerator's program, before and after."""

    name: str
    energy_pj_before: float
    energy_pj_after: float
    """0 for a layer that is gone."""
    cycles_before: int
    cycles_after: int
    weights_before: int
    weights_after: int
    """Those that are not zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """Before and after, and every step between."""

    model: str
    arch: str
    data: str
    settings: PruneSettings
    layers: tuple[LayerSaving, ...]
    accuracy_before: float
    """On the validation data, by which pruning decided."""
    accuracy_after: float
    test_accuracy_before: float
    """On the test data, which decided nothing."""
    test_accuracy_after: float
    steps: tuple[LocalStep, ...]
    rounds: tuple[RoundStep, ...]
    parts: tuple[EnergyPj, EnergyPj] | None = None
    """Where the energy goes, before and after; None if the model does not tell."""

    @property
    def energy_pj(self) -> tuple[float, float]:
        """Before and after."""
        return sum(la.energy_pj_before for la in self.layers), sum(la.energy_pj_after for la in self.layers)

    @property
    def cycles(self) -> tuple[int, int]:
        """Before and after."""
        return sum(la.cycles_before for la in self.layers), sum(la.cycles_after for la in self.layers)

    @property
    def weights(self) -> tuple[int, int]:
        """Before and after, zeros apart."""
        return sum(la.weights_before for la in self.layers), sum(la.weights_after for la in self.layers)

    def totals(self) -> dict[str, float]:
        """Of the network."""
        (energy, energy_left), (cycles, cycles_left), (weights, left) = self.energy_pj, self.cycles, self.weights
        return {
            "energy_pj_before": energy,
            "energy_pj_after": energy_left,
            "cycles_before": cycles,
            "cycles_after": cycles_left,
            "weights_before": weights,
            "weights_after": left,
            "accuracy_before": self.accuracy_before,
            "accuracy_after": self.accuracy_after,
            "test_accuracy_before": self.test_accuracy_before,
            "test_accuracy_after": self.test_accuracy_after,
        }

    def _parts(self) -> dict[str, Any] | None:
        if self.parts is None:
            return None
        before, after = self.parts
        return {"before": before.to_json(), "after": after.to_json()}

    def to_json(self) -> dict[str, Any]:
        """Keys as the fields; ``energy_pj`` is where the energy goes."""
        return {
            "model": self.model,
            "arch": self.arch,
            "data": self.data,
            "settings": asdict(self.settings),
            "totals": self.totals(),
            "energy_pj": self._parts(),
            "layers": [asdict(layer) for layer in self.layers],
            "steps": [asdict(step) for step in self.steps],
            "rounds": [asdict(step) for step in self.rounds],
        }
