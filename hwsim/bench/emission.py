"""How writing the Verilog and compiling it for simulation grow with the array."""

from __future__ import annotations

import json
import sys
import tempfile
from typing import TYPE_CHECKING

from hwsim.bench.measure import spend
from hwsim.bench.page import table
from rtl.config import ArchConfig, load_arch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SIDES", "lines"]

SIDES = (4, 8, 16, 32, 64)
_REQUIRED = {16: "build < 30 s", 32: "< 10 s, < 3 MB"}

_EMIT = """
import json, sys
from hwsim.simulation.verilog import accelerator_verilog
from rtl.config import ArchConfig
text = accelerator_verilog(ArchConfig.model_validate_json(sys.argv[1]))
print(json.dumps({"bytes": len(text.encode()), "modules": text.count("\\nendmodule\\n")}))
"""
# In a cache that holds nothing but the Verilog.
_BUILD = """
import json, sys
from hwsim.simulation.build import build
from hwsim.simulation.harness import harness
from hwsim.simulation.verilog import accelerator_verilog
from rtl.config import ArchConfig
config = ArchConfig.model_validate_json(sys.argv[1])
design = harness(
    accelerator_verilog(config), data_bytes=config.bus.data_bytes, memory="dram", memory_bytes=1 << 24
)
print(json.dumps({"seconds": build(design, "verilator").seconds}))
"""


def lines() -> Iterator[str]:
    """Verilog and Verilator build of arrays of every size, all else as in dense-16x16."""
    yield (
        "Square arrays, all else as dense-16x16. Verilog: a fresh process from the configuration to the text. Build: "
        "from an empty cache with the Verilog at hand, Verilator and C++ compiler. Wall seconds, nothing else running."
    )
    yield ""
    yield from table(
        ("array", "Verilog, s", "Verilog, MB", "modules", "build, s", "required"), [_row(side) for side in SIDES]
    )


def _row(side: int) -> tuple[str, ...]:
    config = _square(side)
    with tempfile.TemporaryDirectory(prefix="hwsim-bench-") as cache:
        emitted, built = (
            spend([sys.executable, "-c", script, config.model_dump_json()], environment={"HWSIM_CACHE": cache})
            for script in (_EMIT, _BUILD)
        )
    text = json.loads(emitted.output)
    return (
        f"{side} x {side}",
        f"{emitted.wall_s:.1f}",
        f"{text['bytes'] / 1e6:.2f}",
        str(text["modules"]),
        f"{json.loads(built.output)['seconds']:.1f}",
        _REQUIRED.get(side, ""),
    )


def _square(side: int) -> ArchConfig:
    base = load_arch("dense-16x16").model_dump()
    taps = min(side, base["dense"]["depthwise_taps"])
    return ArchConfig.model_validate(
        base
        | {
            "name": f"dense-{side}x{side}",
            "dense": base["dense"] | {"rows": side, "cols": side, "depthwise_taps": taps},
        }
    )
