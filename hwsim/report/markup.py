"""HTML and SVG from functions: whatever is not markup already is escaped, so that text from a file stays text."""

from __future__ import annotations

import html

__all__ = ["Markup", "element", "joined"]

_VOID = frozenset({"br", "link", "meta"})


class Markup(str):
    """Text that is markup. Only :func:`element`, :func:`joined` and literals of this project make it."""

    __slots__ = ()


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """``<name attributes>children</name>``.

    Underscores in an attribute's name stand for hyphens, and one at its end for nothing (``class_``). An attribute that
    is None is left out, as is a child. Numbers are rounded to a hundredth: enough for a screen.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{joined(*children)}</{name}>")


def joined(*children: object) -> Markup:
    """One after the other; those that are None are left out."""
    return Markup("".join(_escaped(child) for child in children if child is not None))


def _escaped(child: object) -> str:
    return child if isinstance(child, Markup) else html.escape(_text(child))


def _text(value: object) -> str:
    # A lone surrogate, which a name may hold, cannot be written as UTF-8; a control character is no text in HTML.
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in str(value))
