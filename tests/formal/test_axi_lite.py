"""The AXI4-Lite slave, whatever its master does: one answer for each request, and it waits to be taken."""

import pytest
from amaranth import Module, Signal

from rtl.control.axi_lite import AxiLiteSlave
from tests.formal.axi import stable
from tests.formal.mutants import Bug, quick_first
from tests.formal.spec import Inside, Spec


class SlaveSpec(Spec):
    """The slave between any master and any registers."""

    def specify(self, m: Module) -> None:
        slave = AxiLiteSlave(8)
        self.free_ports(slave)
        m.submodules.slave = inside = Inside(slave)
        bus = slave.bus
        stable(self, m, "B", bus.bvalid, bus.bready, bus.bresp)
        stable(self, m, "R", bus.rvalid, bus.rready, bus.rdata, bus.rresp)
        addresses = self._unanswered(m, "aw", bus.awvalid & bus.awready, bus.bvalid & bus.bready)
        words = self._unanswered(m, "w", bus.wvalid & bus.wready, bus.bvalid & bus.bready)
        reads = self._unanswered(m, "ar", bus.arvalid & bus.arready, bus.rvalid & bus.rready)
        self.check(m, "B.has_its_request", ~bus.bvalid | ((addresses != 0) & (words != 0)))
        self.check(m, "R.has_its_request", ~bus.rvalid | (reads != 0))
        # A write happens when both halves are there, and each pair is one write.
        writes = self._unanswered(m, "write", slave.write, bus.bvalid & bus.bready)
        self.check(m, "write.has_its_request", ~slave.write | ((addresses > writes) & (words > writes)))
        self.check(m, "B.is_of_a_write", ~bus.bvalid | (writes == 1))
        self.lemma(m, "addresses", addresses == inside["have_address"] + bus.bvalid)
        self.lemma(m, "words", words == inside["have_data"] + bus.bvalid)
        self.lemma(m, "writes", writes == bus.bvalid)
        self.lemma(m, "reads", reads == slave.read + inside["sample"] + bus.rvalid)
        self.lemma(m, "one_read", reads <= 1)

    def _unanswered(self, m: Module, name: str, asked, answered) -> Signal:
        number = Signal(3, name=f"{name}_unanswered")
        m.d.sync += number.eq(number + asked - answered)
        return number


def test_the_slave_answers_each_request_once_and_waits(prove):
    prove(SlaveSpec(), depth=3)


BUGS = [
    Bug("the answer does not wait", AxiLiteSlave, "with m.If(bus.bready):", "with m.If(1):", ("B.stays_valid",)),
    Bug("writes over an answer", AxiLiteSlave, "have_address & have_data & answered", "have_address & have_data",
        ("B.keeps_payload", "B.is_of_a_write")),
    Bug("reads over an answer", AxiLiteSlave, " & (~bus.rvalid | bus.rready)", "",
        ("R.keeps_payload", "R.has_its_request")),
    Bug("does not wait for the word", AxiLiteSlave, "have_address & have_data & answered", "have_address & answered",
        ("write.has_its_request", "B.has_its_request")),
]  # fmt: skip


@pytest.mark.parametrize("bug", quick_first(BUGS), ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(SlaveSpec, bug, 10)
