"""SPARSE_POST, fed any words: it drains, reads and writes what its word names, within the memories, or not at all.

All sizes are powers of two: the specification computes every address wider than the engine's own.
"""

import pytest
from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.utils import exact_log2

from rtl.config import PARAM_BYTES, ArchConfig, BusConfig, MemoryConfig, SparseConfig
from rtl.isa import Opcode, Space, SparsePost
from rtl.isa_layout import ADDRESS_BITS, instruction_layout
from rtl.post.engine import PostEngine
from rtl.post.sparse_path import SparsePath
from rtl.post.timing import SPARSE_LANE_LATENCY
from rtl.requantise import OUT_AT, SIDE_AT
from rtl.scratchpad import READ_LATENCY
from rtl.sparse.engine import drain_layout
from tests.formal.mutants import Bug
from tests.formal.queues import all_delayed
from tests.formal.spec import Inside, Spec, past

CONFIG = ArchConfig(
    dense=None,
    sparse=SparseConfig(pes=4, lanes=2, pointers=16, accumulators=8, tables=1),
    memory=MemoryConfig(ifm_kib=2, ofm_kib=1, param_kib=1),
    bus=BusConfig(data_bytes=4),
)
SPARSE = CONFIG.sparse
IFM_BYTES, OFM_BYTES = CONFIG.memory.ifm_kib * 1024, CONFIG.memory.ofm_kib * 1024
PARAMS_BYTES = CONFIG.memory.param_kib * 1024
WIDE = ADDRESS_BITS + 6
"""No sum of an address and its offsets wraps before the engine halts."""
NEAR = 1 << (ADDRESS_BITS + 1)
RESIDUAL_WAITS = SPARSE_LANE_LATENCY - OUT_AT + SIDE_AT - READ_LATENCY


class SparsePostSpec(Spec):
    """The engine between any instructions, any sums and any scratchpads."""

    def specify(self, m: Module) -> None:
        post = PostEngine(CONFIG)
        self.free_ports(post)
        m.submodules.post = inside = Inside(post)
        port = post.engine
        self.assume(
            m,
            # A fault halts, and a halt lasts until the reset that begins the next run.
            ~past(m, port.halt | (port.fault != 0), "stopped") | port.halt,
            ~past(m, post.zeroed, "zeroed") | post.zeroed,
        )
        self.told = Signal(name="told")
        m.d.sync += self.told.eq(self.told | port.halt | (port.fault != 0))
        self.lemma(m, "told", ~self.told | port.halt)
        path = post._paths[Opcode.SPARSE_POST]
        assert isinstance(path, SparsePath)
        self._walk(m, post, path, inside)
        self._step(m, post, path, inside)
        self._arrives(m, post, inside)

    def _walk(self, m: Module, post: PostEngine, path: SparsePath, inside: Inside) -> None:
        """The loops of the instruction set: x and y, and the channels q of a vector."""
        word = self.word = data.View(instruction_layout(SparsePost), post._word)
        x, y, q = Signal(13, name="exact_x"), Signal(13, name="exact_y"), Signal(17, name="exact_q")
        names = ("ofm_x", "ofm_y", "skip_x", "skip_y", "sums")
        far = {name: Signal(WIDE, name=f"far_{name}") for name in names}
        steps, left = path.step, Signal(17, name="exact_left")
        m.d.comb += left.eq(word.channels - q)
        self.values = Mux(left < SPARSE.lanes, left, SPARSE.lanes)
        with m.If(steps):
            m.d.sync += q.eq(q + SPARSE.lanes)
            with m.If(left <= SPARSE.lanes):
                m.d.sync += [
                    q.eq(0), x.eq(x + 1), far["sums"].eq(far["sums"] + word.acc_stride),
                    far["ofm_x"].eq(far["ofm_x"] + word.x_stride), far["skip_x"].eq(far["skip_x"] + word.skip_x_stride),
                ]  # fmt: skip
                with m.If(x + 1 == word.out_w):
                    m.d.sync += [
                        x.eq(0), y.eq(y + 1), far["ofm_x"].eq(0), far["skip_x"].eq(0),
                        far["ofm_y"].eq(far["ofm_y"] + word.y_stride),
                        far["skip_y"].eq(far["skip_y"] + word.skip_y_stride),
                    ]  # fmt: skip
        with m.If(path.start):
            m.d.sync += [offset.eq(0) for offset in (x, y, q, *far.values())]
        low = exact_log2(SPARSE.accumulators)
        self.exact = {
            "ofm": word.ofm + far["ofm_x"] + far["ofm_y"] + q,
            "skip": word.skip + far["skip_x"] + far["skip_y"] + q,
            "params": word.params + PARAM_BYTES * q,
            "place": (word.acc & ~(1 << low)) + far["sums"] + q // SPARSE.pes,
        }
        self.group = q % SPARSE.pes // SPARSE.lanes

        walks = Signal(name="walks")
        is_mine = word.opcode == Opcode.SPARSE_POST
        m.d.comb += walks.eq(inside.in_state("sequence", "DRAIN", "STREAM") & is_mine & ~self.told)
        self.lemma(m, "zeroed_before", ~path.step | post.zeroed)
        possible = (word.channels != 0) & (word.out_w != 0) & (word.out_h != 0) & (word.skip_source <= Space.OFM)
        possible &= word.acc >> low + 1 == 0
        self.lemma(m, "possible", ~(walks | path.start & is_mine) | self.told | possible)
        for name, offset in far.items():
            # Where a residual is not wanted nothing is told of its address, and it may wrap.
            matters = word.residual if name.startswith("skip") else 1
            self.lemma(m, f"near_{name}", ~(walks & matters) | (offset < NEAR))
        its_x, its_y, its_left = path._loops
        loops = (its_left == left) & (its_x == x) & (its_y == y)
        self.lemma(m, "loops", ~walks | (loops & (left != 0) & (x < word.out_w) & (y < word.out_h)))
        self.lemma(m, "group", ~walks | (inside["sparse.group"] == self.group))
        self._same(m, inside, walks, far, q)

    def _same(self, m: Module, inside: Inside, walks: Signal, far: dict[str, Signal], q: Signal) -> None:
        """Every register of the walk is what the loops make it."""
        exact, word = self.exact, self.word
        low = exact_log2(SPARSE.accumulators)
        registers = {
            "ofm": exact["ofm"], "ofm_vector": exact["ofm"] - q, "ofm_row": word.ofm + far["ofm_y"],
            "skip": exact["skip"], "skip_vector": exact["skip"] - q, "skip_row": word.skip + far["skip_y"],
            "params_address": exact["params"], "place": exact["place"], "place_v": word.acc[:low] + far["sums"],
        }  # fmt: skip
        for name, value in registers.items():
            register = inside[f"sparse.{name}"]
            matters = word.residual if name.startswith("skip") else 1
            self.lemma(m, name, ~(walks & matters) | (register == value))

    def _step(self, m: Module, post: PostEngine, path: SparsePath, inside: Inside) -> None:
        """A step reads what is there, or is told and reads nothing."""
        exact, word, live = self.exact, self.word, path.live
        drain = data.View(drain_layout(CONFIG), post.sparse_drain)
        skip_bytes = Mux(word.skip_source == Space.OFM, OFM_BYTES, IFM_BYTES)
        ofm, skip, params, place = (
            Signal(WIDE, name=f"exact_{name}") for name in ("ofm", "skip", "params", "place")
        )  # fmt: skip
        m.d.comb += [s.eq(exact[n]) for s, n in ((ofm, "ofm"), (skip, "skip"), (params, "params"), (place, "place"))]
        there = (ofm + self.values <= OFM_BYTES) & (place < SPARSE.accumulators)
        there &= params + PARAM_BYTES * self.values <= PARAMS_BYTES
        there &= ~word.residual | (skip + self.values <= skip_bytes)
        fault = post.engine.fault != 0
        self.check(m, "outside.is_told", ~path.step | self.told | post.engine.halt | there | fault)
        half = word.acc[exact_log2(SPARSE.accumulators)]
        right = (place < SPARSE.accumulators) & (drain.address == place) & (drain.half == half)
        self.check(m, "drain.is_the_sum_meant", ~drain.valid | (right & (drain.group == self.group) & post.zeroed))
        right = (params + PARAM_BYTES * self.values <= PARAMS_BYTES) & (post.params.address == params)
        self.check(m, "params.in_scratchpad", ~post.params.en | right)
        right = (inside["sparse.ofm"] == ofm) & (path.values == self.values) & (ofm + self.values <= OFM_BYTES)
        self.check(m, "write.is_the_byte_meant", ~live | right)
        right = (inside["sparse.skip"] == skip) & (skip + self.values <= skip_bytes)
        self.check(m, "residual.is_the_byte_meant", ~(live & word.residual) | right)
        self.check(m, "nothing_in_a_halt", ~(live & post.engine.halt))
        self.reach(m, "last_sum_and_byte", live & (place == SPARSE.accumulators - 1) & (ofm + 1 == OFM_BYTES))

    def _arrives(self, m: Module, post: PostEngine, inside: Inside) -> None:
        """What was found to be there is where it is written and read, as many cycles later as it takes."""

        def of_ofm(entry: Value, _age: int) -> Value:
            return entry[:ADDRESS_BITS] + entry[ADDRESS_BITS:-1] <= OFM_BYTES

        def of_residual(entry: Value, _age: int) -> Value:
            return entry[:ADDRESS_BITS] < Mux(entry[-1], OFM_BYTES, IFM_BYTES)

        write = post.write
        self.check(m, "write.in_scratchpad", ~write.en | (write.address + write.count <= OFM_BYTES))
        self.check(m, "residual.in_ifm", ~post.skip_ifm.en | (post.skip_ifm.address < IFM_BYTES))
        self.check(m, "residual.in_ofm", ~post.skip_ofm.en | (post.skip_ofm.address < OFM_BYTES))
        all_delayed(self, m, inside, "sparse.write_delay", SPARSE_LANE_LATENCY, of_ofm)
        all_delayed(self, m, inside, "sparse.skip_delay", RESIDUAL_WAITS, of_residual)


@pytest.mark.slow
def test_sparse_post_drains_and_writes_what_its_word_names(prove):
    prove(SparsePostSpec(), depth=3)


@pytest.mark.slow
def test_the_proof_reaches_the_last_sum_and_byte(reach):
    reach(SparsePostSpec(), depth=8)


BUGS = [
    Bug("a half too long", SparsePath, "place >= sparse.accumulators", "place > sparse.accumulators",
        ("outside.is_told", "drain.is_the_sum_meant")),
    Bug("the next vector behind the last sum", SparsePath, "next_place.eq(place_vector + post.acc_stride)",
        "next_place.eq(place + post.acc_stride)", ("outside.is_told", "drain.is_the_sum_meant")),
    Bug("the first parameters only", SparsePath, "params + PARAM_BYTES * self.values > memories", "params > memories",
        ("outside.is_told", "params.in_scratchpad")),
    Bug("the first byte only", SparsePath, "(ofm + self.values > size)", "(ofm > size)",
        ("outside.is_told", "write.is_the_byte_meant", "write.in_scratchpad")),
    Bug("a residual from anywhere", SparsePath, "post.residual & (skip + self.values > skip_size)", "0",
        ("outside.is_told", "residual.is_the_byte_meant", "residual.in_ifm", "residual.in_ofm")),
    Bug("drains before there are sums", PostEngine, "self.zeroed & (~dense.busy", "(~dense.busy",
        ("drain.is_the_sum_meant",)),
    Bug("does not stop", SparsePath, "self.step & ~self._outside & ~self.halt", "self.step & ~self.halt",
        ("drain.is_the_sum_meant", "params.in_scratchpad", "write.is_the_byte_meant", "residual.is_the_byte_meant")),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(SparsePostSpec, bug, 16)
