"""Memories to go beside a characterised library: the cells say nothing of them, so they are another source's."""

from __future__ import annotations

from importlib import resources

from hwsim.energy.curves import Part
from hwsim.energy.table import Dram, Sram, load_table, table_names
from hwsim.errors import InputError
from rtl.strict_yaml import parse_yaml

__all__ = ["Memories", "load_memories", "memory_names"]


class Memories(Part):
    """On the chip and outside."""

    sram: Sram
    dram: str | Dram


def memory_names() -> list[str]:
    """Names that :func:`load_memories` knows: files of this package, and tables whose memories are in pJ."""
    folder = resources.files("hwsim.silicon.library") / "memories"
    own = [entry.name.removesuffix(".yaml") for entry in folder.iterdir()]
    return sorted(own) + [name for name in table_names() if _in_picojoules(name)]


def load_memories(name: str) -> Memories:
    """The memories called ``name``, unscaled.

    Raises:
        InputError: there are none.

    """
    known = memory_names()
    if name not in known:
        raise InputError(f"--memories {name}: none of {', '.join(known)}")
    file = resources.files("hwsim.silicon.library") / "memories" / f"{name}.yaml"
    if file.is_file():
        return Memories.model_validate(parse_yaml(file.read_text(encoding="utf-8")))
    table = load_table(name)
    return Memories(sram=table.sram, dram=table.dram)


def _in_picojoules(name: str) -> bool:
    try:
        return load_table(name).unit == "pJ"
    except InputError:
        # One of the user's own tables that is broken is no reason to refuse another.
        return False
