"""Fail unless a JUnit file of cocotb tells of tests that ran, and of none that failed."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def main(path: Path) -> str | int:
    """The message to fail with, or 0."""
    if not path.is_file():
        return f"{path}: the simulation left no results"
    cases = ET.parse(path).getroot().findall(".//testcase")
    failed = [case.get("name", "?") for case in cases if {"failure", "error"} & {part.tag for part in case}]
    if failed:
        return f"FAILED: {', '.join(failed)}"
    if not cases:
        return f"{path}: no test ran"
    sys.stdout.write(f"PASSED: {len(cases)} tests\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
