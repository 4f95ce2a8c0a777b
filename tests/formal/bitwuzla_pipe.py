"""Bitwuzla as a program that reads SMT-LIB from standard input: its wheel has the library only.

Run as ``python bitwuzla_pipe.py``; :mod:`tests.formal.prover` puts it on the path as ``bitwuzla``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

import bitwuzla

_QUOTED = re.compile(r"\|[^|]*\||\"[^\"]*\"")


def commands(lines: Iterable[str]) -> Iterator[str]:
    """SMT-LIB commands, each complete; comments left out."""
    command, depth = "", 0
    for line in lines:
        if line.startswith(";"):
            continue
        bare = _QUOTED.sub("", line)
        depth += bare.count("(") - bare.count(")")
        command += line
        if depth == 0 and command.strip():
            yield command.strip()
            command = ""


def main() -> None:
    """Answer each command before the next is read, as a solver in a dialogue does."""
    if "--help" in sys.argv:
        sys.stdout.write("takes --lang smt2, as since version 0.1\n")
        return
    options = bitwuzla.Options()
    options.set(bitwuzla.Option.PRODUCE_MODELS, 1)
    parser = bitwuzla.Parser(bitwuzla.TermManager(), options)
    for command in commands(sys.stdin):
        # The parser forgets from one string to the next how many levels there are; the solver knows.
        if command.startswith("(push"):
            parser.bitwuzla().push(1)
        elif command.startswith("(pop"):
            parser.bitwuzla().pop(1)
        elif command.startswith("(exit"):
            return
        else:
            parser.parse(command, parse_only=False, parse_file=False)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
