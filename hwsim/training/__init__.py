"""Training of the graph IR on PyTorch (the ``train`` extra): fine-tuning, distillation, quantisation-aware training.

:class:`TorchTrainer` is what :mod:`compiler.compress` and :mod:`hwsim.codesign` train with.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from hwsim.errors import ToolError

if TYPE_CHECKING:
    from hwsim.training.activations import activation_grid
    from hwsim.training.data import DataSet, Part, load_data
    from hwsim.training.executor import Executor
    from hwsim.training.settings import Distillation, Settings
    from hwsim.training.trainer import TorchTrainer

__all__ = [
    "DataSet",
    "Distillation",
    "Executor",
    "Part",
    "Settings",
    "TorchTrainer",
    "activation_grid",
    "load_data",
]

_HOMES = {
    "DataSet": "data",
    "Distillation": "settings",
    "Executor": "executor",
    "Part": "data",
    "Settings": "settings",
    "TorchTrainer": "trainer",
    "activation_grid": "activations",
    "load_data": "data",
}
_NEEDS_TORCH = frozenset({"Executor", "TorchTrainer"})


def __getattr__(name: str) -> Any:
    """Load a part when it is first asked for: PyTorch takes seconds.

    Raises:
        ToolError: PyTorch is not installed.

    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _NEEDS_TORCH and importlib.util.find_spec("torch") is None:
        raise ToolError("training needs PyTorch, which is not installed: pip install 'hwsim[train]'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
