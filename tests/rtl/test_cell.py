"""A cell is written once, and what is written is what was simulated."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from amaranth import Cat, Module, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.cell import Cell, emit, flat_ports
from tests.rtl.bench import simulate


class Lane(Cell):
    """``total`` accumulates ``a * b``; ``bits`` wide operands."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        super().__init__(bits, {"a": In(signed(bits)), "b": In(signed(bits)), "total": Out(signed(24))})

    def body(self) -> Module:
        m = Module()
        m.d.sync += self.total.eq(self.total + self.a * self.b)
        return m


class Parity(Cell):
    """No clock at all."""

    def __init__(self) -> None:
        super().__init__((), {"x": In(8), "odd": Out(1)})

    def body(self) -> Module:
        m = Module()
        m.d.comb += self.odd.eq(self.x.xor())
        return m


class Block(Cell):
    """A cell of cells, of two kinds of lane."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(lanes, {"a": In(8), "b": In(8), "total": Out(24 * lanes), "odd": Out(1)})

    def body(self) -> Module:
        m = Module()
        lanes = [Lane(8 if i % 2 else 4) for i in range(self.lanes)]
        for i, lane in enumerate(lanes):
            m.submodules[f"lane_{i}"] = lane
            m.d.comb += [lane.a.eq(self.a + i), lane.b.eq(self.b - i)]
        m.submodules.parity = parity = Parity()
        m.d.comb += [parity.x.eq(self.a), self.odd.eq(parity.odd), self.total.eq(Cat(lane.total for lane in lanes))]
        return m


class Tagged(data.Struct):
    value: 4
    tag: 4


class Top(wiring.Component):
    """Two blocks, a memory, and a port of which some bits never change."""

    i: In(stream.Signature(16))
    total: Out(24 * 8)
    odd: Out(1)
    mark: Out(Tagged)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        payload = Signal(16)
        m.submodules.low = low = Block(4)
        m.submodules.high = high = Block(4)
        m.submodules.memory = mem = memory.Memory(shape=4, depth=16, init=[])
        write, read = mem.write_port(), mem.read_port()
        m.d.comb += [
            write.addr.eq(payload),
            write.data.eq(payload >> 4),
            write.en.eq(payload[8]),
            read.addr.eq(payload),
        ]
        m.d.comb += self.mark.tag.eq(9)
        with m.If(payload[9]):
            m.d.comb += self.mark.value.eq(read.data)
        m.d.comb += [
            self.i.ready.eq(1),
            payload.eq(self.i.payload & self.i.valid.replicate(16)),
            Cat(low.a, low.b).eq(payload),
            Cat(high.b, high.a).eq(payload),
            self.total.eq(Cat(low.total, high.total)),
            self.odd.eq(low.odd),
        ]
        return m


def modules(verilog: str) -> list[str]:
    return re.findall(r"^module (\S+?)\(", verilog, re.MULTILINE)


def test_each_cell_is_written_once():
    assert modules(emit(Top(), "top")) == ["block", "lane", "lane_1", "parity", "top"]


def test_text_does_not_grow_with_instances():
    class Many(wiring.Component):
        def __init__(self, count: int) -> None:
            self.count = count
            super().__init__({"a": In(8), "b": In(8), "odd": Out(count)})

        def elaborate(self, platform: object) -> Module:
            m = Module()
            for i in range(self.count):
                m.submodules[f"block_{i}"] = block = Block(2)
                m.d.comb += [block.a.eq(self.a + i), block.b.eq(self.b), self.odd[i].eq(block.odd)]
            return m

    two, sixty = (len(emit(Many(n), "many").splitlines()) for n in (2, 62))
    assert (sixty - two) / 60 < 25


def test_nested_members_become_ports_with_one_underscore():
    header = emit(Top(), "top").split("module top(")[1].split(")")[0]
    assert sorted(header.replace(" ", "").split(",")) == sorted(
        ["clk", "rst", "i_payload", "i_valid", "i_ready", "total", "odd", "mark"]
    )


def test_a_cell_without_registers_has_no_clock():
    text = emit(Top(), "top").split("module parity(")[1].split("endmodule")[0]
    assert "clk" not in text
    assert "rst" not in text


def test_two_ports_of_one_name_are_refused():
    clash = wiring.PureInterface(wiring.Signature({"a_b": In(1), "a": In(wiring.Signature({"b": In(1)}))}), path=())
    with pytest.raises(ValueError, match=r"^PureInterface has two ports called a_b$"):
        flat_ports(clash)


def test_same_bytes_in_every_process():
    """Whatever the hash seed: the text is the key of the build cache."""
    script = "from tests.rtl.test_cell import Top, emit; import sys; sys.stdout.write(emit(Top(), 'top'))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {emit(Top(), "top")}
    assert texts.pop().startswith("module block(")


def words(count: int) -> list[int]:
    rng = Random(3)
    return [rng.choice([0, 0x8080, 0x7FFF, rng.getrandbits(16)]) for _ in range(count)]


def python_outputs(inputs: list[int]) -> list[tuple[int, ...]]:
    top, seen = Top(), []

    async def drive(ctx):
        ctx.set(top.i.valid, 1)
        for word in inputs:
            ctx.set(top.i.payload, word)
            seen.append((ctx.get(top.total), ctx.get(top.odd), ctx.get(top.mark.as_value())))
            await ctx.tick()

    simulate(top, drive)
    return seen


BENCH = """
module bench;
  reg clk = 0, rst = 0, valid = 1;
  reg [15:0] data [0:{last}];
  reg [15:0] payload;
  wire [191:0] total;
  wire odd, ready;
  wire [7:0] mark;
  integer i;
  top dut(.clk(clk), .rst(rst), .i_payload(payload), .i_valid(valid), .i_ready(ready), .total(total), .odd(odd),
    .mark(mark));
  initial begin
    $readmemh("{inputs}", data);
    for (i = 0; i <= {last}; i = i + 1) begin
      payload = data[i]; #1 $display("%h %h %h", total, odd, mark); clk = 1; #1 clk = 0;
    end
  end
endmodule
"""


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog: apt-get install iverilog")
def test_verilog_does_what_the_python_simulator_does(tmp_path: Path):
    inputs = words(200)
    (tmp_path / "in.hex").write_text("".join(f"{w:04x}\n" for w in inputs))
    (tmp_path / "top.v").write_text(emit(Top(), "top"))
    (tmp_path / "bench.v").write_text(BENCH.format(last=len(inputs) - 1, inputs=tmp_path / "in.hex"))
    subprocess.run(["iverilog", "-o", "sim", "top.v", "bench.v"], cwd=tmp_path, check=True)
    lines = subprocess.run(["vvp", "-n", "sim"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    # The memory's read register starts as X.
    got = [tuple(int(word, 16) for word in line.split()) for line in lines.splitlines()[1:]]
    assert got == python_outputs(inputs)[1:]
