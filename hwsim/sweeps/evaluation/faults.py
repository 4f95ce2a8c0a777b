"""What a point can fail by, and how it is said."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING, TypeVar

from compiler.errors import ModelError
from hwsim.errors import InputError, SimulationError, ToolError
from rtl.config import ConfigError
from workloads.registry import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["attempt", "worker_name"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_EXPECTED = (ConfigError, ModelError, WorkloadError, InputError, ToolError, SimulationError)
"""Its settings do not go together, its training diverged, its network does not fit."""


def attempt(point: str, work: Callable[[], T], failed: Callable[[str], T]) -> T:
    """What ``work`` gives, or what ``failed`` makes of the one line that says why it gives nothing.

    No error of ``point``'s gets out, since it is not to cost the user the other points. A fault of ours is said to be
    one, and leaves its traceback in the log.
    """
    try:
        return work()
    except _EXPECTED as error:
        return failed(" ".join(str(error).split()))
    except MemoryError:
        return failed("out of memory")
    except Exception as error:
        logger.exception("point %s", point)
        return failed(f"unexpected {type(error).__name__}: {' '.join(str(error).split())}")


def worker_name() -> str:
    """Machine and process."""
    return f"{socket.gethostname()}:{os.getpid()}"
