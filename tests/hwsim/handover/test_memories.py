"""The list of memories is that of the Verilog: sizes, ports, and how often each is there."""

from __future__ import annotations

import pytest

from hwsim.handover.memories import Array, arrays, memory_page
from tests.hwsim.handover.hardware import small, small_contents


@pytest.fixture(scope="module")
def found() -> dict[str, Array]:
    modules = {
        name.removeprefix("rtl/").removesuffix(".v"): text
        for name, text in small_contents().items()
        if name.endswith(".v")
    }
    return {f"{array.module}.{array.name}": array for array in arrays(modules)}


def test_scratchpads_are_as_large_as_configured(found):
    memory = small().memory
    total = sum(array.total_bits for array in found.values() if array.module.startswith("bank"))
    assert total == 8192 * (memory.ifm_kib + memory.ofm_kib + memory.weight_kib + memory.param_kib)


def test_a_lane_a_column_has_the_accumulators_in_two_halves(found):
    halves = [array for array in found.values() if array.module == "lane"]
    assert [(half.words, half.bits, half.instances, half.clocked_reads) for half in halves] == [(16, 32, 3, 1)] * 2


def test_a_queue_is_read_directly(found):
    queue = found["accelerator_fetch_queue.storage"]
    assert (queue.words, queue.bits, queue.clocked_reads, queue.direct_reads) == (8, 256, 0, 1)


def test_every_array_is_read_and_written(found):
    for name, array in found.items():
        assert array.clocked_reads + array.direct_reads >= 1, name
        assert array.write_parts >= 1, name
        assert array.instances >= 1, name


def test_parts_and_ports_are_counted_and_modules_multiplied():
    modules = {
        "accelerator": "  pair left (\n  );\n  pair right (\n  );\n",
        "pair": "  cell_ a (\n  );\n  cell_ b (\n  );\n  cell_ c (\n  );\n",
        "cell_": (
            "  reg [15:0] row [63:0];\n      row[to][7:0] <= low;\n      row[to][15:8] <= high;\n"
            "    _0_ <= row[at];\n    _1_ <= row[there];\n  assign now = row[here];\n"
        ),
    }
    (array,) = arrays(modules)
    assert array == Array(
        module="cell_", name="row", words=64, bits=16, clocked_reads=2, direct_reads=1, write_parts=2, instances=6
    )
    assert "| `cell_.row` | 64 x 16 | 6 | 0.75 | 2 | 1 | 2 |" in memory_page(modules)
