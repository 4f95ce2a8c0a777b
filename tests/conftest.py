"""What the differential tests covered, at the end of a run."""

from __future__ import annotations

from collections import Counter

import pytest

SUMMARY = "summary: "
"""Properties of this prefix that tests record are summed up over all of them."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    totals: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties if report.when == "call" else ():
            if name.startswith(SUMMARY):
                totals[name.removeprefix(SUMMARY)] += value
    if totals:
        terminalreporter.section("differential tests")
        terminalreporter.line(", ".join(f"{count:,} {name}" for name, count in sorted(totals.items())))
