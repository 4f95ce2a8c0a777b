r"""A processing element: every PE-th row of the matrix, column by column.

::

    stage     0             1                queue          walk           entry         multiply      accumulate
              activation    pointers         columns        position       code, run     weight        sum
    memory    pointers ->   |                |              row ->         codebook ->   sums ->       -> sums

    cycle     b+1           x+1              y+1            s+1            +1            +2            +3

Stages 0 and 1 are elastic, and so is the queue: a FIFO and a register behind it with the next column, which a column
reaches at once when there is none before it. From the walk on nothing waits: an entry a cycle, and no bubble between
columns. A column without entries is dropped in stage 1. :mod:`rtl.sparse.timing` has the cycles.
"""

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from rtl.cell import Cell
from rtl.config import ArchConfig
from rtl.sparse.layout import ACTIVATION_BITS, POINTER_BYTES, SparseLayout

__all__ = ["ProcessingElement"]

_POINTER = 8 * POINTER_BYTES
_SUM = signed(32)


class ProcessingElement(Cell):
    """One PE: pointers, its part of the sparse matrix, codebooks, and sums in two halves.

    Ports
    -----
    clear : In(1)
        Forget all activations, and the row that is held. For when the PE is not ``busy``, or will not be believed.
    ready, take : Out(1), In(1)
        An activation can be taken; it is.
    value, column, first_sum : In
        The activation less its zero point, the pointer of its column, and the first sum of its vector.
    entry_row, table, half : In
        Row that pointers count from, codebook, half of the sums. Steady while ``busy``.
    busy : Out(1)
        Something is in a stage.
    queued, row_read, mac, padding : Out(1)
        A column is queued; a row is read; an entry is multiplied; an entry of code 0 is stepped over.
    fault : Out(1)
        A row or a sum that is not there, or a column that ends before it begins.
    pointer_en, pointer_address, pointer_data
        Write of the even and of the odd bank.
    spmat_en, spmat_address, spmat_data
        Write of a row, by equal parts of it.
    code_en, code_address, code_data
        Write of a codebook. None of them with int8 weights.
    drain_en, drain_half, drain_address, drain_data
        Read a sum; it follows a cycle later, and is zero from then on. Not in the half that is in use.
    zero_en, zero_address : In
        Zero a sum in both halves.

    """

    def __init__(self, config: ArchConfig) -> None:
        sparse, layout = config.sparse, SparseLayout(config)
        self.sparse = sparse
        self.rows = layout.rows
        self.parts = max(1, sparse.row_bytes // config.bus.data_bytes)
        self.sum_bits = exact_log2(sparse.accumulators)
        self.slot_bits = exact_log2(sparse.row_entries)
        ports = {
            "clear": In(1),
            "ready": Out(1),
            "take": In(1),
            "value": In(signed(ACTIVATION_BITS)),
            "column": In(ceil_log2(sparse.pointers)),
            "first_sum": In(self.sum_bits),
            "entry_row": In(16),
            "table": In(ceil_log2(sparse.tables)),
            "half": In(1),
            "busy": Out(1),
            "queued": Out(1),
            "row_read": Out(1),
            "mac": Out(1),
            "padding": Out(1),
            "fault": Out(1),
            "pointer_en": In(2),
            "pointer_address": In(ceil_log2(sparse.pointers // 2)),
            "pointer_data": In(_POINTER),
            "spmat_en": In(self.parts),
            "spmat_address": In(ceil_log2(self.rows)),
            "spmat_data": In(8 * sparse.row_bytes),
            "drain_en": In(1),
            "drain_half": In(1),
            "drain_address": In(self.sum_bits),
            "drain_data": Out(_SUM),
            "zero_en": In(1),
            "zero_address": In(self.sum_bits),
        }
        if sparse.weights == "codebook":
            ports |= {
                "code_en": In(1),
                "code_address": In(sparse.code_bits + ceil_log2(sparse.tables)),
                "code_data": In(sparse.weight_bits),
            }
        super().__init__(key=(sparse, config.bus.data_bytes), signature=ports)

    def body(self) -> Module:
        m = Module()
        self._column = data.StructLayout(
            {
                "value": signed(ACTIVATION_BITS),
                "start": _POINTER,
                "end": _POINTER,
                "first_sum": self.sum_bits,
            }
        )
        self._consume = Signal()
        column, arrives, room = self._look_up(m)
        following, waits = self._queue(m, column, arrives, room)
        entry, code, run = self._walk(m, following, waits)
        self._accumulate(m, entry, code, run)
        with m.If(self.clear):
            m.d.sync += [flag.eq(0) for flag in self._valids]
        m.d.comb += self.busy.eq(Cat(self._valids).any())
        return m

    def _look_up(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Stages 0 and 1: an activation, and where its column begins and ends."""
        waiting, value_0, column_0, sum_0 = (
            Signal(name="waiting"),
            Signal(signed(ACTIVATION_BITS), name="value_0"),
            Signal.like(self.column, name="column_0"),
            Signal(self.sum_bits, name="sum_0"),
        )
        looked_up, value_1, sum_1, odd_1 = (
            Signal(name="looked_up"),
            Signal(signed(ACTIVATION_BITS), name="value_1"),
            Signal(self.sum_bits, name="sum_1"),
            Signal(name="odd_1"),
        )
        advance_0, advance_1 = Signal(), Signal()
        m.d.comb += [advance_0.eq(waiting & (~looked_up | advance_1)), self.ready.eq(~waiting | advance_0)]
        with m.If(self.take):
            m.d.sync += [
                waiting.eq(1), value_0.eq(self.value), column_0.eq(self.column), sum_0.eq(self.first_sum),
            ]  # fmt: skip
        with m.Elif(advance_0):
            m.d.sync += waiting.eq(0)

        # A column and the one behind it are in different banks, whichever is the even one.
        read = []
        for odd in range(2):
            bank = memory.Memory(shape=_POINTER, depth=self.sparse.pointers // 2, init=[])
            m.submodules[f"pointers_{odd}"] = bank
            r, w = bank.read_port(), bank.write_port()
            m.d.comb += [
                r.addr.eq(column_0[1:] + (column_0[0] if not odd else 0)),
                r.en.eq(advance_0),
                w.addr.eq(self.pointer_address),
                w.data.eq(self.pointer_data),
                w.en.eq(self.pointer_en[odd]),
            ]
            read.append(r.data)
        with m.If(advance_0):
            m.d.sync += [looked_up.eq(1), value_1.eq(value_0), sum_1.eq(sum_0), odd_1.eq(column_0[0])]
        with m.Elif(advance_1):
            m.d.sync += looked_up.eq(0)

        column = Signal(self._column)
        arrives, room = Signal(), Signal()
        m.d.comb += [
            column.value.eq(value_1),
            column.first_sum.eq(sum_1),
            column.start.eq(Mux(odd_1, read[1], read[0])),
            column.end.eq(Mux(odd_1, read[0], read[1])),
            arrives.eq(looked_up & (column.start != column.end)),
            advance_1.eq(looked_up & (room | ~arrives)),
            self.queued.eq(arrives & room),
        ]
        self._pointer_fault = Signal()
        m.d.sync += self._pointer_fault.eq(looked_up & (column.start > column.end))
        self._valids = [waiting, looked_up]
        return column, arrives, room

    def _queue(self, m: Module, column: Signal, arrives: Signal, room: Signal) -> tuple[Signal, Signal]:
        """Columns that wait: a FIFO, and the next one in a register."""
        depth = self.sparse.fifo_depth
        m.submodules.fifo = fifo = memory.Memory(shape=self._column.size, depth=depth, init=[])
        w, r = fifo.write_port(), fifo.read_port(domain="comb")
        head, tail = Signal(range(depth), name="head"), Signal(range(depth), name="tail")
        count = Signal(range(depth + 1))
        following, waits = Signal(self._column, name="following"), Signal(name="waits")
        push, pop, free, some = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            some.eq(count != 0),
            room.eq(count != depth),
            free.eq(~waits | self._consume),
            pop.eq(free & some),
            # Past an empty FIFO into the free register.
            push.eq(self.queued & ~(free & ~some)),
            w.addr.eq(tail),
            w.data.eq(column),
            w.en.eq(push),
            r.addr.eq(head),
        ]
        with m.If(push):
            m.d.sync += tail.eq(_after(tail, depth))
        with m.If(pop):
            m.d.sync += head.eq(_after(head, depth))
        m.d.sync += count.eq(count + push - pop)
        with m.If(free):
            m.d.sync += [waits.eq(some | self.queued), following.eq(Mux(some, r.data, column))]
        # Of a FIFO that is forgotten, head and tail may lie anywhere, but together.
        with m.If(self.clear):
            m.d.sync += [count.eq(0), head.eq(0), tail.eq(0)]
        self._valids += [waits]
        return following, waits

    def _walk(self, m: Module, following: Signal, waits: Signal) -> tuple[Signal, Value, Value]:
        """The entries of a column, one a cycle; a row of the memory when it is another one than the last."""
        active, first, last = Signal(name="active"), Signal(name="first"), Signal(name="last")
        now = Signal(self._column, name="now")
        m.d.comb += [last.eq(now.start + 1 == now.end), self._consume.eq(waits & (~active | last))]
        with m.If(self._consume):
            m.d.sync += [active.eq(1), first.eq(1), now.eq(following)]
        with m.Elif(active):
            m.d.sync += [now.start.eq(now.start + 1), first.eq(0)]
            with m.If(last):
                m.d.sync += active.eq(0)

        row, held = Signal(_POINTER - self.slot_bits), Signal(_POINTER - self.slot_bits)
        holds = Signal()
        place = Signal(17)
        m.d.comb += [
            row.eq(now.start[self.slot_bits :]),
            self.row_read.eq(active & ~(holds & (held == row))),
            place.eq(self.entry_row + row),
        ]
        with m.If(active):
            m.d.sync += [holds.eq(1), held.eq(row)]
        with m.If(self.clear):
            m.d.sync += holds.eq(0)
        bits = 8 * self.sparse.row_bytes
        m.submodules.spmat = spmat = memory.Memory(shape=bits, depth=self.rows, init=[])
        r, w = spmat.read_port(), spmat.write_port(granularity=bits // self.parts)
        m.d.comb += [
            r.addr.eq(place),
            r.en.eq(self.row_read),
            w.addr.eq(self.spmat_address),
            w.data.eq(self.spmat_data),
            w.en.eq(self.spmat_en),
        ]

        entry = Signal(
            data.StructLayout(
                {
                    "valid": 1,
                    "first": 1,
                    "slot": self.slot_bits,
                    "value": signed(ACTIVATION_BITS),
                    "first_sum": self.sum_bits,
                }
            )
        )
        self._row_fault = Signal()
        m.d.sync += [
            entry.valid.eq(active),
            self._row_fault.eq(self.row_read & (place >= self.rows)),
        ]
        with m.If(active):
            m.d.sync += [
                entry.first.eq(first),
                entry.slot.eq(now.start[: self.slot_bits]),
                entry.value.eq(now.value),
                entry.first_sum.eq(now.first_sum),
            ]
        self._valids += [active, entry.valid]
        width, code_bits = self.sparse.entry_bits, self.sparse.code_bits
        here = Signal(width, name="here")
        m.d.comb += here.eq(r.data[: width * self.sparse.row_entries].word_select(entry.slot, width))
        return entry, here[:code_bits], here[code_bits:]

    def _accumulate(self, m: Module, entry: Signal, code: Value, run: Value) -> None:
        """Local row and weight of an entry; its product, added to its sum."""
        sparse = self.sparse
        wide = max(self.sum_bits, sparse.index_bits) + 1
        behind, place = Signal(wide, name="behind"), Signal(wide, name="place")
        m.d.comb += [
            place.eq(Mux(entry.first, entry.first_sum, behind) + run),
            self.mac.eq(entry.valid & (code != 0)),
            self.padding.eq(entry.valid & (code == 0)),
        ]
        with m.If(entry.valid):
            m.d.sync += behind.eq(place + 1)
        weight = self._weight(m, code)

        valid_2, mac_2, value_2, place_2 = (
            Signal(name="valid_2"),
            Signal(name="mac_2"),
            Signal(signed(ACTIVATION_BITS), name="value_2"),
            Signal(self.sum_bits, name="place_2"),
        )
        valid_3, mac_3, product, place_3 = (
            Signal(name="valid_3"),
            Signal(name="mac_3"),
            Signal(signed(ACTIVATION_BITS + sparse.weight_bits), name="product"),
            Signal(self.sum_bits, name="place_3"),
        )
        m.d.sync += [
            valid_2.eq(entry.valid),
            mac_2.eq(self.mac),
            valid_3.eq(valid_2),
            mac_3.eq(mac_2),
            self.fault.eq(self._pointer_fault | self._row_fault | (entry.valid & place[self.sum_bits :].any())),
        ]
        with m.If(self.mac):
            m.d.sync += [value_2.eq(entry.value), place_2.eq(place)]
        with m.If(mac_2):
            m.d.sync += [product.eq(value_2 * weight), place_3.eq(place_2)]
        self._valids += [valid_2, mac_2, valid_3, mac_3]
        self._sums(m, mac_2, place_2, mac_3, place_3, product)

    def _weight(self, m: Module, code: Value) -> Value:
        """The weight of ``code``, a cycle later."""
        sparse = self.sparse
        if sparse.weights == "int8":
            weight = Signal(signed(8), name="weight")
            with m.If(self.mac):
                m.d.sync += weight.eq(code)
            return weight
        m.submodules.codebook = book = memory.Memory(
            shape=signed(sparse.weight_bits), depth=sparse.tables << sparse.code_bits, init=[]
        )
        r, w = book.read_port(), book.write_port()
        m.d.comb += [
            r.addr.eq(Cat(code, self.table)),
            r.en.eq(self.mac),
            w.addr.eq(self.code_address),
            w.data.eq(self.code_data),
            w.en.eq(self.code_en),
        ]
        return r.data

    def _sums(self, m: Module, reads: Signal, read_place: Signal, adds: Signal, place: Signal, product: Signal) -> None:
        """Both halves: read and written by the accumulation, or read and zeroed by the drain."""
        drained_en, drained_half, drained_address = (
            Signal(name="drained_en"),
            Signal(name="drained_half"),
            Signal(self.sum_bits, name="drained_address"),
        )
        m.d.sync += [
            drained_en.eq(self.drain_en),
            drained_half.eq(self.drain_half),
            drained_address.eq(self.drain_address),
        ]
        total, last, again = Signal(_SUM, name="total"), Signal(_SUM, name="last_total"), Signal(name="again")
        stored = []
        for half in range(2):
            mem = memory.Memory(shape=_SUM, depth=self.sparse.accumulators, init=[])
            m.submodules[f"sums_{half}"] = mem
            r, w = mem.read_port(), mem.write_port()
            mine, adding = Signal(name=f"reads_{half}"), Signal(name=f"adds_{half}")
            m.d.comb += [
                mine.eq(reads & (self.half == half)),
                adding.eq(adds & (self.half == half)),
                r.addr.eq(Mux(mine, read_place, self.drain_address)),
                r.en.eq(mine | (self.drain_en & (self.drain_half == half))),
                w.en.eq(adding | self.zero_en | (drained_en & (drained_half == half))),
                w.addr.eq(Mux(adding, place, Mux(self.zero_en, self.zero_address, drained_address))),
                w.data.eq(Mux(adding, total, 0)),
            ]
            stored.append(r.data)
        # The sum of the cycle before is still being written when it is read again.
        m.d.sync += again.eq(reads & adds & (read_place == place))
        m.d.comb += [
            total.eq(Mux(again, last, Mux(self.half, stored[1], stored[0])) + product),
            self.drain_data.eq(Mux(drained_half, stored[1], stored[0])),
        ]
        with m.If(adds):
            m.d.sync += last.eq(total)


def _after(place: Signal, depth: int) -> Value:
    return Mux(place == depth - 1, 0, place + 1)
