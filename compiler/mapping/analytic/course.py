"""One program in the making: the machine, and what earlier layers have left in OFM and in DRAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.mapping.analytic.machine import Machine

if TYPE_CHECKING:
    from compiler.mapping.analytic.machine import Ports
    from compiler.mapping.analytic.ring import Use
    from compiler.mapping.analytic.traffic import Row
    from compiler.mapping.memory import Block
    from rtl.config import ArchConfig

__all__ = ["Access", "Course"]


@dataclass(slots=True)
class Access:
    """Bytes of OFM, or of a tensor in DRAM, and when the last instruction that used them so retires."""

    start: int
    stop: int
    retire: int

    def touches(self, start: int, stop: int) -> bool:
        """Whether it shares a byte with these."""
        return self.start < stop and start < self.stop


class Course:
    """A program up to some layer."""

    def __init__(self, config: ArchConfig, ports: Ports) -> None:
        self.config = config
        self.machine = Machine(config, ports)
        self.kept: Use | None = None
        """The last tile that was loaded into IFM as a layer's input."""
        self.made: list[Access] = []
        """What POSTs wrote to OFM,"""
        self.used: list[Access] = []
        """and what COMPUTEs and STOREs that may be under way read of it."""
        self.stored: dict[str, list[Access]] = {}
        """STOREs by tensor, in order; nobody changes a list that is here."""
        self._awaited: dict[str, int] = {}
        """By tensor, how many of them LOADs have waited for."""

    def copy(self) -> Course:
        """Another one in the same state; either can go on without the other."""
        other = object.__new__(Course)
        other.config, other.machine = self.config, self.machine.copy()
        other.kept = other.machine.ifm.same(self.kept, self.machine.ifm) if self.kept is not None else None
        other.made, other.used = self.made.copy(), self.used.copy()
        other.stored, other._awaited = self.stored.copy(), self._awaited.copy()
        return other

    def wait_for_stores(self, tensor: str, row: Row) -> int:
        """When what a LOAD of ``row`` reads is in DRAM."""
        stores = self.stored.get(tensor)
        if not stores:
            return 0
        start, stop = row.offset, row.offset + (row.rows - 1) * row.stride + row.row_bytes
        past = self.machine.loads[-1]
        for number in range(len(stores) - 1, self._awaited.get(tensor, 0) - 1, -1):
            store = stores[number]
            if store.retire < past:
                break
            if store.touches(start, stop):
                self._awaited[tensor] = number + 1
                return store.retire
        return 0

    def wait_for_posts(self, block: Block) -> int:
        """When a tensor in OFM is there."""
        return max((a.retire for a in self.made if a.touches(block.start, block.stop)), default=0)

    def leave(self, region: Block, source: Block | None) -> None:
        """A layer that wrote ``region`` of OFM and read ``source`` is over."""
        machine = self.machine
        if source is not None:
            self.used.append(Access(source.start, source.stop, machine.compute_retire))
        # What was there before is no more.
        self.made = [a for a in self.made if not (region.start <= a.start and a.stop <= region.stop)]
        self.made.append(Access(region.start, region.stop, machine.post_retire))
        past = machine.posts[-1]
        self.used = [a for a in self.used if a.retire >= past]
