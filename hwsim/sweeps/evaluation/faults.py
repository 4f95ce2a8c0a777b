"""What a point can fail by, and how it is said."""

from __future__ import annotations

import logging
import os
import socket

from compiler.errors import ModelError
from hwsim.errors import InputError, SimulationError, ToolError
from rtl.config import ConfigError
from workloads.registry import WorkloadError

__all__ = ["fault_reason", "worker_name"]

logger = logging.getLogger(__name__)

_EXPECTED = (ConfigError, ModelError, WorkloadError, InputError, ToolError, SimulationError)
"""Its settings do not go together, its training diverged, its network does not fit."""

def fault_reason(error: Exception, point: str) -> str:
    """One line for the record. A fault of ours is said to be one, and leaves its traceback in the log."""
    words = " ".join(str(error).split())
    if isinstance(error, _EXPECTED):
        return words
    if isinstance(error, MemoryError):
        return "out of memory"
    logger.error("point %s", point, exc_info=error)
    return f"unexpected {type(error).__name__}: {words}"


def worker_name() -> str:
    """Machine and process."""
    return f"{socket.gethostname()}:{os.getpid()}"
