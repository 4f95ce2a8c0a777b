"""What a calibration is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from compiler.compress.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from compiler.quantize.calibrate import Range

__all__ = ["CALIBRATIONS", "Calibration"]


class Calibration(Protocol):
    """A registered calibration: a frozen dataclass whose fields are its settings."""

    def limits(self, values: NDArray[np.floating], bits: int) -> Range:
        """The range that ``2^bits`` levels should cover for ``values``; zero lies in it."""
        ...


CALIBRATIONS: Registry[type[Calibration]] = Registry("calibration")
