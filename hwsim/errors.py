"""What can go wrong, by whose fault it is.

A user's mistake (:data:`USER_ERRORS`) is one line on stderr and exit status 2. A run that did not pass is
:class:`SimulationError` and status 1. Anything else is a fault of hwsim, and a traceback.
"""

from __future__ import annotations

__all__ = ["InputError", "SimulationError", "ToolError"]


class InputError(ValueError):
    """Something the user gave cannot be used. The message is one line and says what to change."""


class ToolError(RuntimeError):
    """A program that hwsim needs is missing or broken. The message says the command that installs it."""


class SimulationError(RuntimeError):
    """A simulation that could not be built or did not come to its end. The message names the log."""
