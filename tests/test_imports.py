"""The direction of imports, and that the check of it can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def lint(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    return subprocess.run([*command, "--no-cache", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_imports_run_one_way():
    done = lint()
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_can_fail(tmp_path):
    upside_down = tmp_path / "upside_down.toml"
    upside_down.write_text(
        '[tool.importlinter]\nroot_packages = ["rtl", "compiler", "hwsim"]\n'
        '[[tool.importlinter.contracts]]\nname = "upside down"\ntype = "layers"\n'
        'layers = ["rtl", "compiler", "hwsim"]\n'
    )
    done = lint("--config", str(upside_down))
    assert done.returncode == 1
    assert "hwsim is not allowed to import compiler" in done.stdout
