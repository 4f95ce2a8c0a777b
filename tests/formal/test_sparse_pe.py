"""A processing element of the zero-skipping engine: columns stay in order, and every product reaches its sum."""

from abc import abstractmethod

import pytest
from amaranth import Cat, Module, Mux, Signal, Value, signed

from rtl.config import ArchConfig, BusConfig, MemoryConfig, SparseConfig
from rtl.sparse.layout import ACTIVATION_BITS
from rtl.sparse.pe import ProcessingElement
from tests.formal.mutants import Bug
from tests.formal.order import Follower
from tests.formal.queues import wrapped
from tests.formal.spec import Inside, Spec, anything, past

CONFIG = ArchConfig(
    dense=None,
    sparse=SparseConfig(
        pes=1, lanes=1, fifo_depth=3, weights="int8", code_bits=8, index_bits=2, row_bytes=4, spmat_kib=1,
        pointers=16, accumulators=8, tables=1,
    ),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=1),
    bus=BusConfig(data_bytes=4),
)  # fmt: skip
DEPTH = CONFIG.sparse.fifo_depth
CODEBOOK = CONFIG.model_copy(
    update={"sparse_engine": CONFIG.sparse.model_copy(update={"weights": "codebook", "code_bits": 4, "tables": 2})}
)
CONFIGS = [pytest.param(CONFIG, id="int8"), pytest.param(CODEBOOK, id="codebook")]


class PeSpec(Spec):
    """The PE with any matrix in it, any codebooks and any activations, drained when it may be."""

    def __init__(self, config: ArchConfig = CONFIG) -> None:
        super().__init__()
        self.config = config

    def specify(self, m: Module) -> None:
        pe = ProcessingElement(self.config)
        self.free_ports(pe)
        m.submodules.pe = inside = Inside(pe)
        busy, half = past(m, pe.busy, "busy"), past(m, pe.half, "half")
        self.assume(
            m,
            ~pe.take | pe.ready,
            ~busy | (pe.half == half),
            # The other half is drained; sums are zeroed when nothing else goes on.
            ~(pe.drain_en & pe.busy) | (pe.drain_half != pe.half),
            ~pe.zero_en | (~pe.busy & ~pe.drain_en & ~past(m, pe.drain_en, "drain_en")),
        )
        at = past(m, Cat(pe.drain_en, pe.drain_half, pe.drain_address), "drain")
        self.assume(m, ~pe.drain_en | (at != Cat(pe.drain_en, pe.drain_half, pe.drain_address)))
        self.specify_more(m, pe, inside)

    @abstractmethod
    def specify_more(self, m: Module, pe: ProcessingElement, inside: Inside) -> None:
        """What is to be proved, beside what is assumed of the surroundings."""


class SumSpec(PeSpec):
    """One sum, whichever: it is what was multiplied for it since it was last drained or zeroed."""

    def specify_more(self, m: Module, pe: ProcessingElement, inside: Inside) -> None:
        place, half = anything(m, len(pe.drain_address), "any_sum"), anything(m, 1, "any_half")
        value = inside["entry"][2 + pe.slot_bits :][:ACTIVATION_BITS].as_signed()
        # The specification adds two cycles after the entry came by. It multiplies what the PE multiplies, and that is
        # shown to be the entry's: from equal factors of 16 bits the solver takes too long to come to equal products.
        bits = self.config.sparse.weight_bits
        weight, its_place = Signal(signed(bits), name="its_weight"), inside.signal("place", width=pe.sum_bits + 1)
        m.d.comb += weight.eq(self._weight(m, pe, inside))
        valid_1, value_1, weight_1, place_1 = (
            Signal(),
            Signal(signed(ACTIVATION_BITS)),
            Signal(signed(bits)),
            Signal.like(place),
        )
        valid_2, product, place_2 = Signal(), Signal(signed(ACTIVATION_BITS + bits)), Signal.like(place)
        multiplied = inside["value_2"].as_signed() * self._multiplier(inside)
        m.d.sync += [
            valid_1.eq(pe.mac & ~pe.clear), value_1.eq(value), weight_1.eq(weight), place_1.eq(its_place),
            valid_2.eq(valid_1 & ~pe.clear), product.eq(multiplied), place_2.eq(place_1),
        ]  # fmt: skip
        total, adds, zeroed = Signal(signed(32)), Signal(), Signal()
        drained = past(m, pe.drain_en & (pe.drain_half == half) & (pe.drain_address == place), "drains_it")
        m.d.comb += [
            adds.eq(valid_2 & (place_2 == place) & (pe.half == half)),
            zeroed.eq(drained | (pe.zero_en & (pe.zero_address == place))),
        ]
        with m.If(adds):
            m.d.sync += total.eq(total + product)
        with m.Elif(zeroed):
            m.d.sync += total.eq(0)
        self.check(m, "sum.is_drained", ~drained | (pe.drain_data == total))
        self.reach(m, "sum.of_two", drained & (total == 6))

        self._follow(m, inside, (valid_1, value_1, weight_1, place_1), (valid_2, product, place_2))
        rows = [inside.row(m, f"sums_{k}", place) for k in range(2)]
        clash = inside["drained_en"] & (inside["drained_half"] == pe.half) & (inside["mac_2"] | inside["mac_3"])
        self.lemma(m, "sum.is_not_drained", ~clash)
        self.lemma(m, "sum.is_stored", Mux(half, rows[1], rows[0]) == total)
        self.lemma(m, "sum.is_read", ~adds | (inside["total"] == (total + product)[:32].as_signed()))

    def _weight(self, m: Module, pe: ProcessingElement, inside: Inside) -> Value:
        """What an entry stands for: its code is the weight, or the codebook of the instruction has it."""
        code = inside["here"][: self.config.sparse.code_bits]
        if self.config.sparse.weights == "int8":
            return code.as_signed()
        return inside.row(m, "codebook", Cat(code, pe.table)).as_signed()

    def _multiplier(self, inside: Inside) -> Value:
        weight = inside["weight"] if self.config.sparse.weights == "int8" else inside.read("codebook").data
        return weight.as_signed()

    def _follow(self, m: Module, inside: Inside, multiply: tuple, accumulate: tuple) -> None:
        """The pipeline of the specification, and that of the PE, side by side."""
        valid, value, its_weight, place = multiply
        weight = self._multiplier(inside)
        self.lemma(m, "multiply.valid", inside["mac_2"] == valid)
        same = (inside["value_2"] == value) & (weight == its_weight) & (inside["place_2"] == place)
        self.check(m, "multiply.operands", ~valid | same)
        valid, product, place = accumulate
        self.lemma(m, "accumulate.valid", inside["mac_3"] == valid)
        same = (inside["product"] == product) & (inside["place_3"] == place)
        self.lemma(m, "accumulate.product", ~valid | same)


class ColumnsSpec(PeSpec):
    """Columns leave the queue as they came."""

    def specify_more(self, m: Module, pe: ProcessingElement, inside: Inside) -> None:
        self.assume(m, ~pe.clear)
        following, waits, count = inside["following"], inside["waits"], inside["count"]
        head, tail = inside["head"], inside["tail"]
        seen = Follower(
            self, m, "columns", push=pe.queued, data=inside["column"], pop=inside["_consume"],
            out=following, most=DEPTH + 1,
        )  # fmt: skip
        self.lemma(m, "count", (count + waits == seen.level) & (waits | (count == 0)) & (count <= DEPTH))
        self.lemma(m, "pointers", (head < DEPTH) & (tail < DEPTH) & (wrapped(head + count, DEPTH) == tail))
        place = Signal(range(2 * DEPTH + 1))
        m.d.comb += place.eq(wrapped(head + seen.ahead - 1, DEPTH))
        row = inside.row(m, "fifo", place)
        here = Mux(seen.ahead == 0, following, row)
        self.lemma(m, "kept", ~seen.inside | (here == seen.value))


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_every_product_reaches_its_sum(prove, config):
    prove(SumSpec(config), depth=3)


def test_columns_stay_in_order(prove):
    prove(ColumnsSpec(), depth=3)


@pytest.mark.slow
def test_the_proof_reaches_two_products_in_one_sum(reach):
    reach(SumSpec(), depth=14)


SUM_BUGS = [
    Bug("no bypass", ProcessingElement, "Mux(again, last, Mux(self.half, stored[1], stored[0]))",
        "Mux(self.half, stored[1], stored[0])", ("sum.is_drained",)),
    Bug("bypass of any sum", ProcessingElement, "reads & adds & (read_place == place)", "reads & adds",
        ("sum.is_drained",)),
]  # fmt: skip
CODE_BUG = Bug("the first codebook only", ProcessingElement, "r.addr.eq(Cat(code, self.table))", "r.addr.eq(code)",
    ("multiply.operands",))  # fmt: skip
COLUMN_BUGS = [
    Bug("room for one too many", ProcessingElement, "room.eq(count != depth)", "room.eq(1)",
        ("columns.never_overflows", "columns.in_order")),
    Bug("past a queue that is not empty", ProcessingElement, "Mux(some, r.data, column)", "column",
        ("columns.in_order",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", SUM_BUGS, ids=str)
def test_a_seeded_bug_in_the_sums_is_found(refute, bug):
    refute(SumSpec, bug, 12, skip=11)


@pytest.mark.slow
def test_a_seeded_bug_in_the_codebook_is_found(refute):
    refute(lambda: SumSpec(CODEBOOK), CODE_BUG, 10)


@pytest.mark.slow
@pytest.mark.parametrize("bug", COLUMN_BUGS, ids=str)
def test_a_seeded_bug_in_the_queue_is_found(refute, bug):
    refute(ColumnsSpec, bug, 16)
