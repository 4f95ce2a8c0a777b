"""How long a window may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["MAX_RUN", "MAX_TAPS", "weight_room"]

MAX_RUN = (1 << 16) - 1
MAX_TAPS = 255
_MAX_LOAD = (1 << 20) - 1


def weight_room(config: ArchConfig, filters: int) -> int:
    """Rows of ``filters`` weights that fit half of the weight scratchpad, so that the next window loads meanwhile."""
    return min(config.memory.weight_kib * 512, _MAX_LOAD) // filters
