"""Every seeded bug still has its line: a source that has moved on is told here, in the time that reading takes."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.formal.mutants import Bug, mutant

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py") if path.stem != Path(__file__).stem)


def bugs(name: str) -> list[Bug]:
    values = vars(import_module(f"tests.formal.{name}")).values()
    return [bug for value in values if isinstance(value, list) for bug in value if isinstance(bug, Bug)]


@pytest.mark.parametrize("name", MODULES)
def test_every_proof_has_bugs_that_are_other_than_the_source(name):
    assert bugs(name)
    for bug in bugs(name):
        assert mutant(bug) is not bug.of


def test_a_bug_without_its_line_is_told():
    with pytest.raises(LookupError, match="seed 'stale' anew"):
        mutant(Bug("stale", Bug, "no such line", "", ()))
