"""Scripts of Yosys, one command a line: text that can be compared before it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.silicon.tools import run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run_yosys", "yosys_script"]


def yosys_script(*commands: str) -> str:
    """The script of ``commands``."""
    return "\n".join(commands) + "\n"


def run_yosys(script: str, folder: Path) -> None:
    """Run ``script`` in ``folder``, where it and ``synthesis.log`` remain.

    Raises:
        ToolError: Yosys is missing, or refuses the design.

    """
    (folder / "synthesis.ys").write_text(script, encoding="utf-8")
    run("yosys", ["synthesis.ys"], folder=folder, log="synthesis.log")
