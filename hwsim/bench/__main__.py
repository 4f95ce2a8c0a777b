"""``python -m hwsim.bench [SECTION ...]``: measure, and write the page that says what came out.

Without a section, all of them; with some, those anew and the others as the page has them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hwsim.bench.page import assemble, parse
from hwsim.bench.sections import SECTIONS

PAGE = Path("docs/validation.md")


def main() -> None:
    """Measure the sections one after the other, and write the page after each."""
    keys = [section.key for section in SECTIONS]
    asked = sys.argv[1:] or keys
    if unknown := [key for key in asked if key not in keys]:
        sys.exit(f"no section {unknown[0]!r}; there are {', '.join(keys)}")
    texts = parse(PAGE.read_text()) if PAGE.exists() else {}
    preface = f"Written by `make bench` on {os.cpu_count()} cores. Times are of that machine."
    for section in SECTIONS:
        if section.key not in asked:
            continue
        print(f"\n## {section.title}\n", flush=True)
        lines = []
        for line in section.measure():
            print(line, flush=True)
            lines.append(line)
        texts[section.title] = "\n".join(lines)
        PAGE.write_text(assemble(SECTIONS, texts, preface))


if __name__ == "__main__":
    main()
