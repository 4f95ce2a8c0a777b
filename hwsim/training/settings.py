"""How to train: everything that decides the result beside the network and the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwsim.errors import InputError

__all__ = ["Distillation", "Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Of one call of ``fit``. Equal settings, network, data and seed give equal results, bit for bit."""

    optimizer: Literal["adam", "sgd"] = "adam"
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), or SGD with Nesterov's momentum."""
    rate: float = 1e-3
    """Learning rate at the start."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """``cosine``: the rate falls to zero along half a cosine (Loshchilov and Hutter, ICLR 2017)."""
    batch: int = 64
    """Samples a step. The last step of an epoch may have fewer."""
    momentum: float = 0.9
    """Of SGD."""
    weight_decay: float = 0.0
    """Of matrices and kernels; never of biases or normalisations."""
    patience: int | None = None
    """Stop after so many epochs without a better validation accuracy, and keep the best epoch's values. None: train all
    epochs and keep the last."""
    seed: int = 0
    threads: int = 1
    """Of PyTorch. Small networks are not faster with more; a sum's last bits depend on it."""

    def __post_init__(self) -> None:
        if self.optimizer not in ("adam", "sgd"):
            raise InputError(f"optimizer {self.optimizer!r}: known: adam, sgd")
        if self.schedule not in ("cosine", "constant"):
            raise InputError(f"schedule {self.schedule!r}: known: cosine, constant")
        for name, lowest in (("batch", 1), ("threads", 1), ("seed", 0), ("weight_decay", 0.0), ("momentum", 0.0)):
            if getattr(self, name) < lowest:
                raise InputError(f"{name} must be at least {lowest}, not {getattr(self, name)}")
        if not self.rate > 0:
            raise InputError(f"rate must be above 0, not {self.rate}")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience must be at least 1 epoch, not {self.patience}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """``(1 - share) * cross entropy + share * T^2 * KL(teacher / T, student / T)``.

    Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.
    """

    temperature: float = 4.0
    share: float = 0.7

    def __post_init__(self) -> None:
        if not self.temperature > 0 or not 0 <= self.share <= 1:
            raise InputError(
                f"distillation: temperature above 0 and share in 0..1, not {self.temperature}, {self.share}"
            )
