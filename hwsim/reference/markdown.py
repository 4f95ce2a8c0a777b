"""What the pages of the handbook are put together from: docstrings, and tables."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import types
    from collections.abc import Iterable, Sequence

__all__ = ["field_notes", "inline", "note_after", "page", "paragraphs", "table"]


def field_notes(kind: type) -> dict[str, str]:
    """The docstrings behind the fields of a class and of its bases, by field."""
    notes: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if owner.__module__.startswith("rtl."):
            (definition,) = ast.parse(inspect.getsource(owner)).body
            assert isinstance(definition, ast.ClassDef)
            notes |= _notes(definition.body)
    return notes


def note_after(module: types.ModuleType, name: str) -> str:
    """The docstring behind a name of a module."""
    return _notes(ast.parse(inspect.getsource(module)).body, keep_paragraphs=True)[name]


def _notes(body: Sequence[ast.stmt], *, keep_paragraphs: bool = False) -> dict[str, str]:
    notes = {}
    for declared, behind in itertools.pairwise(body):
        target = declared.target if isinstance(declared, ast.AnnAssign) else None
        if isinstance(declared, ast.Assign):
            target = declared.targets[0]
        if not isinstance(target, ast.Name) or not isinstance(behind, ast.Expr):
            continue
        if isinstance(behind.value, ast.Constant) and isinstance(behind.value.value, str):
            text = inspect.cleandoc(behind.value.value)
            notes[target.id] = text if keep_paragraphs else inline(text)
    return notes


def paragraphs(text: str | None) -> str:
    """A docstring as Markdown."""
    return _code(inspect.cleandoc(text or ""))


def inline(text: str) -> str:
    """A docstring as Markdown on one line."""
    return _code(" ".join(text.split()))


def _code(text: str) -> str:
    """The ``code`` and roles of reStructuredText as Markdown has them."""
    text = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text)
    return re.sub(r"``([^`]*)``", r"`\1`", text)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""

    def line(cells: Iterable[object]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(header), line("---" for _ in header), *(line(row) for row in rows)]) + "\n"


def page(parts: Iterable[str]) -> str:
    """Paragraphs, headings and tables as a page; empty parts are left out."""
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
