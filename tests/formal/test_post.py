"""Post-processing, fed any words: no byte is written outside the scratchpad, no instruction is forgotten."""

import pytest
from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data

from rtl.config import ArchConfig, DenseConfig, MemoryConfig
from rtl.isa import Opcode, Post
from rtl.isa_layout import ADDRESS_BITS, instruction_layout
from rtl.post.dense_path import DensePath
from rtl.post.engine import PostEngine
from rtl.post.timing import LANE_LATENCY, POST_DECODE, POST_TAIL
from rtl.scratchpad import READ_LATENCY
from tests.formal.mutants import Bug
from tests.formal.queues import all_delayed
from tests.formal.spec import Inside, Spec, past

CONFIG = ArchConfig(
    dense=DenseConfig(rows=2, cols=2, depthwise_taps=0),
    memory=MemoryConfig(ifm_kib=2, ofm_kib=1, weight_kib=1, param_kib=1, accumulators=16),
)
IFM_BYTES, PARAM_BYTES = CONFIG.memory.ifm_kib * 1024, CONFIG.memory.param_kib * 1024
OFM_BYTES = CONFIG.memory.ofm_kib * 1024
IN_LANES = LANE_LATENCY + CONFIG.dense.cols - 1
RESIDUAL_WAITS = LANE_LATENCY - 2 - READ_LATENCY
PERIOD = POST_DECODE + 1 + POST_TAIL


class PostSpec(Spec):
    """The engine between any instructions, any sums and any scratchpads."""

    def specify(self, m: Module) -> None:
        post = PostEngine(CONFIG)
        self.free_ports(post)
        m.submodules.post = inside = Inside(post)
        # A halt lasts until the reset that begins the next run.
        self.assume(m, ~past(m, post.engine.halt, "halt") | post.engine.halt)
        self._spaced(m, inside)
        write = post.write
        self.check(m, "write.in_scratchpad", ~write.en | (write.address + write.count <= OFM_BYTES))
        live, place = inside["dense.live"], inside["dense.place"]
        self.check(m, "drain.in_accumulators", ~live | (place < CONFIG.memory.accumulators))
        post_word = data.View(instruction_layout(Post), inside["_word"])
        params, filters = post.params, post_word.filters
        # Of what is read after a fault, until the halt, nothing is claimed: it is of an instruction that is refused.
        told, ends = Signal(name="told"), Signal(name="ends")
        m.d.comb += ends.eq(told | post.engine.halt | (post.engine.fault != 0))
        m.d.sync += told.eq(ends)
        refused = (post_word.opcode == Opcode.POST) & (filters == 0)
        self.lemma(m, "post.of_some", told | ~refused | ~(inside["start"] | inside["loading"] | inside["step"]))
        self.check(m, "params.in_scratchpad", ~params.en | ends | (params.address + filters <= PARAM_BYTES))
        self._residuals(m, post, inside, told)
        self.reach(m, "write.last_byte", write.en & (write.address + write.count == OFM_BYTES))
        self._in_the_lanes(m, inside)

    def _spaced(self, m: Module, inside: Inside) -> None:
        """Last vectors follow each other after PERIOD cycles at least: so few are in the lanes at once."""
        before = Signal(PERIOD - 1)
        ends = inside["w_en"]
        m.d.sync += before.eq(Cat(ends, before[:-1]))
        self.check(m, "instructions.spaced", ~(ends & before.any()))

    def _in_the_lanes(self, m: Module, inside: Inside) -> None:
        """What waits to be written lies within the scratchpad."""

        def within(entry: Value, _age: int) -> Value:
            return entry[:ADDRESS_BITS] + entry[ADDRESS_BITS:-1] <= OFM_BYTES

        all_delayed(self, m, inside, "dense.write_delay", IN_LANES, within)

    def _residuals(self, m: Module, post: PostEngine, inside: Inside, told: Signal) -> None:
        """A residual is read from within its scratchpad; it waits until the lanes want it."""

        def within(entry: Value, _age: int) -> Value:
            return told | (entry[:ADDRESS_BITS] < Mux(entry[-1], OFM_BYTES, IFM_BYTES))

        self.check(m, "residual.in_ifm", ~post.skip_ifm.en | told | (post.skip_ifm.address < IFM_BYTES))
        self.check(m, "residual.in_ofm", ~post.skip_ofm.en | told | (post.skip_ofm.address < OFM_BYTES))
        all_delayed(self, m, inside, "dense.skip_delay", RESIDUAL_WAITS, within)


@pytest.mark.slow
def test_post_processing_writes_within_its_scratchpad_and_keeps_its_distance(prove):
    prove(PostSpec(), depth=PERIOD + 2)


BUGS = [
    Bug("a shorter tail", PostEngine, "tail.eq(POST_TAIL - 1)", "tail.eq(0)", ("instructions.spaced",)),
    Bug("the first byte only", DensePath, "(ofm + post.filters > size)", "(ofm > size)", ("write.in_scratchpad",)),
    Bug("a half too long", DensePath, "| place[low] |", "|", ("drain.in_accumulators",)),
    Bug("parameters from anywhere", DensePath, "self.loading & self._outside_params", "0", ("params.in_scratchpad",)),
    Bug("a residual from beyond the end", DensePath, "(skip + post.filters > skip_size)", "0",
        ("residual.in_ifm", "residual.in_ofm")),
    Bug("fills beyond the end", PostEngine, "address + chunk > self", "address > self", ("write.in_scratchpad",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(PostSpec, bug, 30)
