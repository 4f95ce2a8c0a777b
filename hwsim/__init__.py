"""hwsim: what a neural network costs on an accelerator, from one configuration that is also its RTL.

::

    import hwsim

    hwsim.estimate("model.onnx", "dense-16x16").cycles
    hwsim.simulate("model.onnx", "dense-16x16").mismatched_bytes
    hwsim.sweep("sweep.yaml").fronts
    hwsim.compress("model.onnx", "recipe.yaml", data="samples.npz").save(Path("small.onnx"))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwsim.api import estimate, simulate
    from hwsim.codesign.prune import prune
    from hwsim.compression.api import compress
    from hwsim.sweeps.api import sweep
    from hwsim.training.train import train

__all__ = ["__version__", "compress", "estimate", "prune", "simulate", "sweep", "train"]

__version__ = "0.1.0"

_HOMES = {
    "compress": "hwsim.compression.api",
    "estimate": "hwsim.api",
    "prune": "hwsim.codesign.prune",
    "simulate": "hwsim.api",
    "sweep": "hwsim.sweeps.api",
    "train": "hwsim.training.train",
}


def __getattr__(name: str) -> Any:
    """Load the functions when they are first asked for: ``hwsim --help`` needs neither ONNX nor NumPy."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
