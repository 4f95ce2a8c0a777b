"""Every seeded bug can be seeded: its line is in the source, once. This tells soon what slow tests would tell late."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import tests.formal
from tests.formal.mutants import Bug, mutant


def all_bugs() -> Iterator[Bug]:
    """Those of all proofs, each once."""
    for found in pkgutil.iter_modules(tests.formal.__path__, "tests.formal."):
        if not found.name.startswith("tests.formal.test_") or found.name == __name__:
            continue
        for value in vars(importlib.import_module(found.name)).values():
            if isinstance(value, Bug):
                yield value
            elif isinstance(value, list):
                yield from (entry for entry in value if isinstance(entry, Bug))


@pytest.mark.parametrize("bug", list(all_bugs()), ids=lambda bug: f"{bug.of.__name__}: {bug}")
def test_a_bug_can_be_seeded(bug):
    assert mutant(bug) is not bug.of


def test_a_line_that_is_gone_is_told():
    bug = Bug("of nothing", mutant, "a line that is not there", "", ())
    with pytest.raises(LookupError, match="0 times, not once"):
        mutant(bug)
