"""Resolve ``pyproject.toml`` with its ``dev`` extra and write the exact versions to ``requirements.lock``.

pip resolves against whatever index it is configured for; the lock names none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Exact versions of all dependencies, those of `dev` included. By `make lock`, for `make setup`.\n"


def resolve() -> list[str]:
    """``name==version`` of everything that an installation would hold."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    report = subprocess.run([*command, f"{ROOT}[dev]"], check=True, capture_output=True, text=True).stdout
    found = [item["metadata"] for item in json.loads(report)["install"]]
    # `2.13.0+cpu` is how one index labels its build of 2.13.0; the lock names no index.
    pins = ((data["name"].lower(), data["version"].partition("+")[0]) for data in found)
    return sorted(f"{name}=={version}" for name, version in pins if name != "hwsim")


if __name__ == "__main__":
    (ROOT / "requirements.lock").write_text(HEADER + "".join(f"{line}\n" for line in resolve()))
