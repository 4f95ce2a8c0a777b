"""The command line in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from hwsim.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Done", "hwsim"]


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def hwsim(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Done:
    """Run ``hwsim`` with these arguments."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return Done(caught.value.code, printed.out, printed.err)
