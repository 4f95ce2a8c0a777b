r"""The generated Verilog for people and for any tool: plain names, a port a line, a file a module.

What Yosys writes holds names that need escaping (``\accelerator.core.dense``, ``\axi__araddr$276``), which some tools
do not take, and no file can be called. A plain name stands for each here. And it holds ``initial``, which a simulator
runs and a chip does not: what depends on it is written twice, by the macro SYNTHESIS that synthesis tools define.
Nothing else changes.
"""

from __future__ import annotations

import re

__all__ = ["modules", "plain_names", "synthesisable"]

_ESCAPED = re.compile(r"\\(\S+) ?")
_NUMBER = re.compile(r"(?<=.)\$\d+$")
"""Amaranth's, behind a name that is there twice."""
_PLAIN = re.compile(r"(?<![\\\w$'.])[A-Za-z_][\w$]*")
_MODULE = re.compile(r"^module (\w+)\((.*?)\);\n(.*?)^endmodule\n", re.MULTILINE | re.DOTALL)
_CONTENTS = re.compile(
    r"^  integer (?P<index>row_of_\w+);\n  initial for \((?P=index) = .*;\n"
    r"|^  initial begin\n(?:    \w+\[\d+\] = .*;\n)+  end\n",
    re.MULTILINE,
)
"""What a memory starts with: in a loop, or word by word."""
_CONSTANT = re.compile(r"^  initial\n(?=    [^;]* = \d+'h[0-9a-f]+;\n)", re.MULTILINE)
"""Bits that never change, of a vector whose others do."""
_HEADER = re.compile(r"\A(?://.*\n)+")


def plain_names(text: str) -> str:
    """``text`` without escaped names. One name stands for the same one everywhere, and for no other."""
    taken = set(_PLAIN.findall(text))
    names: dict[str, str] = {}
    for name in sorted(set(_ESCAPED.findall(text))):
        names[name] = plain = _free(_plain(name), taken, numbered=bool(_NUMBER.search(name)))
        taken.add(plain)
    return _ESCAPED.sub(lambda found: names[found[1]] + _gap(found), text)


def modules(text: str) -> dict[str, str]:
    """The modules of a text of plain names, each with the text's header, by name and in their order."""
    found = _HEADER.match(text)
    header = found[0] + "\n" if found else ""
    parts = {}
    for name, ports, body in _MODULE.findall(text):
        listed = ",\n".join(f"    {port.strip()}" for port in ports.split(","))
        parts[name] = f"{header}module {name} (\n{listed}\n);\n{body}endmodule\n"
    return parts


def synthesisable(text: str) -> str:
    """``text`` without what synthesis would refuse, ignore, or take minutes for; simulators see what they saw.

    What a memory starts with is for simulators alone: no macro has it, and Yosys makes a cell for each word. Bits that
    never change are a process without an input: it would never run in a simulator, and to synthesis it is a constant,
    whereas ``initial`` drives nothing there.
    """
    text = _CONTENTS.sub(lambda found: f"`ifndef SYNTHESIS\n{found[0]}`endif\n", text)
    return _CONSTANT.sub("`ifdef SYNTHESIS\n  always @*\n`else\n  initial\n`endif\n", text)


def _plain(name: str) -> str:
    # Names of Yosys' own are a number behind a dollar.
    if re.fullmatch(r"\$\d+", name):
        return f"expr_{name[1:]}"
    plain = re.sub(r"\W+", "_", _NUMBER.sub("", name)).strip("_") or "name"
    # What was escaped though it is plain is a keyword.
    return f"{plain}_" if plain == name else plain if not plain[0].isdigit() else f"_{plain}"


def _free(name: str, taken: set[str], *, numbered: bool) -> str:
    """``name``, or the first with a number that is free; with a number always if it had one, lest it be a keyword."""
    free, number = (f"{name}_2", 3) if numbered else (name, 2)
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _gap(found: re.Match[str]) -> str:
    """The space that ended an escaped name goes where punctuation follows."""
    after = found.string[found.end() : found.end() + 1]
    return "" if after in ";,()[]: \n" else " "
