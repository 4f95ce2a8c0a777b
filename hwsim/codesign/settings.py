"""What pruning is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwsim.codesign.cost import OBJECTIVES, Objective
from hwsim.errors import InputError

__all__ = ["METHODS", "Method", "PruneSettings"]

Method = Literal["energy-aware", "magnitude", "magnitude-uniform"]
METHODS: tuple[Method, ...] = ("energy-aware", "magnitude", "magnitude-uniform")


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneSettings:
    """How far, by what, and for what."""

    objective: Objective = "energy"
    method: Method = "energy-aware"
    """The ones by magnitude are what there was before: the smallest weights first, by one threshold or the same share
    of every layer, and nothing but fine-tuning to repair it (Han et al., NeurIPS 2015; of filters: Li et al., ICLR
    2017)."""
    max_loss: float = 0.01
    """Accuracy that may be lost, 0..1, on the validation data."""
    epochs: int = 4
    """Of global fine-tuning in each round."""
    samples: int = 1024
    """Training samples that the local fits see."""
    rounds: int = 16
    """At most."""
    retries: int = 3
    """Rounds in a row that may fail, each more careful than the one before, until pruning ends."""

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise InputError(f"objective {self.objective!r}: known: {', '.join(OBJECTIVES)}")
        if self.method not in METHODS:
            raise InputError(f"method {self.method!r}: known: {', '.join(METHODS)}")
        if not 0 <= self.max_loss < 1:
            raise InputError(f"the accuracy that may be lost is 0 to 100 points, not {100 * self.max_loss:g}")
        for name in ("epochs", "samples", "rounds", "retries"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
