"""How boldly the next round prunes: between what was too little and what was too much."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Search"]

_CAUTION = 0.5
_CLOSE = 1.05
"""Bounds whose ratio is below this leave nothing to try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A strength above 0, and what is known of others for the network as it is now."""

    strength: float
    growth: float
    """After a round that held the floor."""
    most: float
    """The strongest that makes sense."""
    low: float | None = None
    """Prunes nothing."""
    high: float | None = None
    """Missed the floor."""

    @property
    def exhausted(self) -> bool:
        """Whether every strength that is left to try is known to be too weak or too strong."""
        if self.high is not None and self.low is not None and self.high / self.low < _CLOSE:
            return True
        return self.strength > self.most

    def worked(self) -> Search:
        """The floor held: bolder, but below what missed it."""
        bolder = self.strength * self.growth
        limit = bolder if self.high is None else max(self.strength, (self.strength * self.high) ** 0.5)
        return replace(self, strength=min(bolder, limit), low=None)

    def failed(self) -> Search:
        """The floor was missed: more careful, but more than what prunes nothing."""
        high = self.strength if self.high is None else min(self.high, self.strength)
        weaker = high * _CAUTION if self.low is None else (self.low * high) ** 0.5
        return replace(self, strength=weaker, high=high)

    def idle(self) -> Search:
        """Nothing was pruned: bolder, but below what missed the floor."""
        bolder = self.strength * 2 if self.high is None else (self.strength * self.high) ** 0.5
        return replace(self, strength=bolder, low=self.strength)
