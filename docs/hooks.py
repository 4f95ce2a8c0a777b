"""What MkDocs calls while it builds: adds the generated pages, and tidies what docstrings bring along."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

from hwsim.handbook.example import example
from hwsim.handbook.pages import PAGES

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

EXAMPLE_MARK = "<!-- generated: example -->"

# Written by `make bench` and by hand; a clone without them builds all the same.
STUBS = {"validation.md": "# Validation\n\nNot measured yet: `make bench` writes this page.\n"}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that the sources determine."""
    pages = {path: page() for path, page in PAGES.items()}
    pages |= {path: text for path, text in STUBS.items() if not Path(config["docs_dir"], path).exists()}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the worked example where a page asks for it."""
    return markdown.replace(EXAMPLE_MARK, example()) if EXAMPLE_MARK in markdown else markdown


def on_page_content(html: str, **_: Any) -> str:
    """Docstrings are reStructuredText in two places: roles, and the colons before an example."""
    html = re.sub(r":(?:\w+:)?\w+:<code>~?([^<]*)</code>", r"<code>\1</code>", html)
    return html.replace("<p>::</p>", "").replace("::</p>", ":</p>")
