"""Post-processing, fed any words: no byte is written outside the scratchpad, no instruction is forgotten."""

import pytest
from amaranth import Cat, Module, Signal, Value

from rtl.config import ArchConfig, DenseConfig, MemoryConfig
from rtl.isa_layout import ADDRESS_BITS
from rtl.post.dense_path import DensePath
from rtl.post.engine import PostEngine
from rtl.post.timing import LANE_LATENCY, POST_DECODE, POST_TAIL
from tests.formal.mutants import Bug
from tests.formal.queues import wrapped
from tests.formal.spec import Inside, Spec, past

CONFIG = ArchConfig(
    dense=DenseConfig(rows=2, cols=2, depthwise_taps=0),
    memory=MemoryConfig(ifm_kib=2, ofm_kib=1, weight_kib=1, param_kib=1, accumulators=16),
)
OFM_BYTES = CONFIG.memory.ofm_kib * 1024
IN_LANES = LANE_LATENCY + CONFIG.dense.cols - 1
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
        delay = "dense.write_delay"
        valid, here = inside.signal(f"{delay}.valid", IN_LANES), inside[f"{delay}.here"]
        self.lemma(m, "lanes.here", here < IN_LANES)

        def within(entry: Value) -> Value:
            return entry[:ADDRESS_BITS] + entry[ADDRESS_BITS:-1] <= OFM_BYTES

        for age in range(IN_LANES - 1):
            place = Signal(range(2 * IN_LANES))
            m.d.comb += place.eq(wrapped(here + IN_LANES - 1 - age, IN_LANES))
            row = inside.row(m, f"{delay}.values", place)
            self.lemma(m, f"lanes.{age}", ~valid[age] | within(row))
        out = inside[f"{delay}.o"]
        self.lemma(m, "lanes.out", ~valid[-1] | within(out))


@pytest.mark.slow
def test_post_processing_writes_within_its_scratchpad_and_keeps_its_distance(prove):
    prove(PostSpec(), depth=PERIOD + 2)


BUGS = [
    Bug("a shorter tail", PostEngine, "tail.eq(POST_TAIL - 1)", "tail.eq(0)", ("instructions.spaced",)),
    Bug("the first byte only", DensePath, "(ofm + post.filters > size)", "(ofm > size)", ("write.in_scratchpad",)),
    Bug("a half too long", DensePath, "| place[low] |", "|", ("drain.in_accumulators",)),
    Bug("fills beyond the end", PostEngine, "address + chunk > self", "address > self", ("write.in_scratchpad",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(PostSpec, bug, 30)
