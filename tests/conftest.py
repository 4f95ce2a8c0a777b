"""Settings of every test, and what the differential tests covered, at the end of a run."""

from __future__ import annotations

import signal
from collections import Counter

import hypothesis
import pytest

# Properties are tried on the same examples in every run, and as long as each takes on a busy machine.
hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("seeded")

# A shell starts what it runs in the background with Ctrl-C ignored, and what a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
