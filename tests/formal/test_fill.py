"""What is loaded for the zero-skipping engine goes to the memory, the row and the PE that its byte address is for.

Addresses are compared wider than the memories' own. What is loaded lies within its space, in whole beats (`test_load`).
"""

import pytest
from amaranth import Module, Mux, Signal, Value
from amaranth.utils import exact_log2

from rtl.config import ArchConfig, BusConfig, MemoryConfig, SparseConfig
from rtl.isa import Space
from rtl.isa_layout import ADDRESS_BITS
from rtl.scratchpad import spad_write_port
from rtl.sparse import fill
from rtl.sparse.fill import fill_memories
from rtl.sparse.layout import CODEBOOK_VALUE_BYTES, POINTER_BYTES, SparseLayout
from rtl.sparse.pe import ProcessingElement
from tests.formal.mutants import Bug, quick_first
from tests.formal.spec import Inside, Spec, past

BEAT = 4


def config(row_bytes: int) -> ArchConfig:
    return ArchConfig(
        dense=None,
        sparse=SparseConfig(
            pes=2, lanes=1, fifo_depth=1, row_bytes=row_bytes, spmat_kib=1, pointers=16, accumulators=4, tables=2
        ),
        memory=MemoryConfig(ifm_kib=1, ofm_kib=1),
        bus=BusConfig(data_bytes=BEAT),
    )


class FillSpec(Spec):
    """Two PEs behind any loads. A row is two beats long, or half of one."""

    def __init__(self, row_bytes: int) -> None:
        super().__init__()
        self.config = config(row_bytes)
        self.layout = SparseLayout(self.config)

    def specify(self, m: Module) -> None:
        write = spad_write_port(self.config.banks).flip().create()
        for name in ("en", "space", "address", "count", "data"):
            self.inputs.append(Value.cast(getattr(write, name)))
        pes = [ProcessingElement(self.config) for _ in range(self.config.sparse.pes)]
        fill_memories(m, self.config, write, pes)
        layout = self.layout
        sizes = {
            Space.SPMAT: layout.spmat_bytes, Space.POINTER: layout.pointer_bytes, Space.CODEBOOK: layout.codebook_bytes
        }  # fmt: skip
        self.address, self.word = past(m, write.address, "address"), past(m, write.data[: 8 * BEAT], "word")
        self.loads = {}
        for space, size in sizes.items():
            mine = write.en & (write.space == space)
            self.assume(m, ~mine | (write.address + write.count <= size))
            self.assume(m, ~mine | ((write.count == BEAT) & (write.address[: exact_log2(BEAT)] == 0)))
            self.loads[space] = past(m, mine, f"loads_{space.name.lower()}")
        for p, pe in enumerate(pes):
            m.submodules[f"pe_{p}"] = inside = Inside(pe)
            self._rows(m, f"pe_{p}", p, pe, inside)
            self._pointers(m, f"pe_{p}", p, pe, inside)
            self._codes(m, f"pe_{p}", pe, inside)

    def _place(self, m: Module, name: str, stride: int, start: int, size: int) -> tuple[Value, Signal, Value]:
        """Whether the beat has ``size`` bytes from ``start`` on of its group; the group's number; those bytes."""
        group, first = Signal(ADDRESS_BITS + 1, name=f"{name}_group"), Signal(16, name=f"{name}_first")
        m.d.comb += [group.eq(self.address // stride), first.eq(self.address % stride)]
        has = (first <= start) & (start + size <= first + BEAT)
        content = Mux(has, self.word >> (8 * (start - first)).as_unsigned()[:8], 0)
        return has, group, content[: 8 * size]

    def _rows(self, m: Module, name: str, p: int, pe: ProcessingElement, inside: Inside) -> None:
        row_bytes, write = self.config.sparse.row_bytes, inside.write("spmat")
        size = min(row_bytes, BEAT)
        loads = self.loads[Space.SPMAT]
        for k in range(pe.parts):
            has, row, content = self._place(
                m, f"{name}_part_{k}", self.layout.row_stride, p * row_bytes + k * size, size
            )
            self.check(m, f"{name}.part_{k}", pe.spmat_en[k] == (loads & has))
            right = (row < self.layout.rows) & (write.address == row)
            right &= pe.spmat_data.word_select(k, 8 * size) == content
            self.check(m, f"{name}.row_{k}", ~pe.spmat_en[k] | right)
        self.check(m, f"{name}.row_only_then", ~write.en | loads)

    def _pointers(self, m: Module, name: str, p: int, pe: ProcessingElement, inside: Inside) -> None:
        loads = self.loads[Space.POINTER]
        has, column, content = self._place(
            m, f"{name}_pointer", self.layout.pointer_stride, p * POINTER_BYTES, POINTER_BYTES
        )
        for odd in range(2):
            write = inside.write(f"pointers_{odd}")
            self.check(m, f"{name}.bank_{odd}", write.en == (loads & has & (column[0] == odd)))
            right = (column < self.layout.columns) & (write.address == column[1:]) & (pe.pointer_data == content)
            self.check(m, f"{name}.pointer_{odd}", ~write.en | right)

    def _codes(self, m: Module, name: str, pe: ProcessingElement, inside: Inside) -> None:
        write, loads = inside.write("codebook"), self.loads[Space.CODEBOOK]
        has, code, content = self._place(m, f"{name}_code", self.layout.codebook_stride, 0, CODEBOOK_VALUE_BYTES)
        self.check(m, f"{name}.codebook", write.en == (loads & has))
        right = (code < self.layout.codes) & (write.address == code) & (pe.code_data == content[: len(pe.code_data)])
        self.check(m, f"{name}.code", ~write.en | right)


@pytest.mark.parametrize("row_bytes", [2 * BEAT, BEAT // 2])
def test_loads_go_where_their_address_is_for(prove, row_bytes):
    prove(FillSpec(row_bytes), depth=2)


BUGS = [
    Bug("a row for each beat", fill_memories, "address[exact_log2(layout.row_stride) :]", "address[exact_log2(beat) :]",
        ("pe_0.row_0", "pe_1.row_0", "pe_0.row_1", "pe_1.row_1")),
    Bug("both banks", fill_memories, "& (column[0] == odd)", "", ("pe_0.bank_0", "pe_1.bank_0", "pe_0.bank_1")),
    Bug("every beat of a group", fill._lands, "group == offset // beat", "group == group",
        ("pe_0.part_0", "pe_0.part_1", "pe_1.part_0", "pe_1.part_1")),
]  # fmt: skip


@pytest.mark.parametrize("bug", quick_first(BUGS), ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(lambda: FillSpec(2 * BEAT), bug, 4)
