"""The page of measurements as a list of sections, each of which can be measured anew without the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["Section", "assemble", "parse", "table"]

_HEAD = "# Validation"
_TITLE = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page."""

    key: str
    """What it is called on the command line."""
    title: str
    measure: Callable[[], Iterator[str]]
    """Takes the measurements, and yields the section's lines as they come; the title apart."""


def parse(page: str) -> dict[str, str]:
    """The sections of a page that was written before, by title."""
    parts = _TITLE.split(page)
    return {title: text.strip("\n") for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def assemble(sections: Sequence[Section], texts: Mapping[str, str], preface: str) -> str:
    """The page of ``sections`` in their order, those without a text left out."""
    parts = [_HEAD, preface]
    parts += [f"## {section.title}\n\n{texts[section.title]}" for section in sections if section.title in texts]
    return "\n\n".join(parts) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a Markdown table; a bar in a cell would end it, and is escaped."""
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
