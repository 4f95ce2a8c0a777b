"""``hwsim synthesize``: area of every module, and the longest path, in the cells of a library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli.command import Architecture, DontUse, JsonFile, Liberty, Period, deliver, reporting
from hwsim.cli.reports import check_reports

__all__ = ["synthesize"]


def synthesize(
    liberty: Liberty,
    arch: Architecture = "dense-16x16",
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the modules as CSV.")] = None,
    memories: Annotated[
        str, typer.Option(metavar="TABLE", help="Whose SRAM model says what memories take: sky130, or another table.")
    ] = "tpuv4i-7nm",
    period_ps: Period = 1000.0,
    dont_use: DontUse = None,
    json_file: JsonFile = None,
) -> None:
    """Synthesise the whole accelerator: cell area by module, memories beside, the longest path.

    Energies are `hwsim characterize`'s. A design that was synthesised before is found in the cache.
    """
    check_reports(json=json_file, csv=csv_file)

    import tempfile

    from hwsim.files import write_text
    from hwsim.report.area import area_csv, area_table, area_tree
    from hwsim.silicon.library.memory import load_memories
    from hwsim.silicon.library.technology import prepare
    from hwsim.silicon.synthesis.area import measure_area
    from hwsim.silicon.synthesis.cells import Recipe
    from hwsim.silicon.synthesis.trial import try_library
    from hwsim.silicon.tools import find
    from hwsim.simulation.verilog import accelerator_verilog
    from rtl.config import load_arch

    config = load_arch(arch)
    sram = load_memories(memories).sram
    find("yosys")
    with reporting() as reporter, tempfile.TemporaryDirectory(prefix="hwsim-") as work:
        reporter.stage(f"reading {liberty.name}")
        technology = prepare(liberty, Path(work), tuple(dont_use or ()))
        try_library(technology)
        reporter.stage(f"emitting the Verilog of {config.name}")
        verilog = accelerator_verilog(config)
        reporter.stage(f"synthesising {config.name}: minutes")
        area = measure_area(verilog, "accelerator", technology, Recipe(period_ps=period_ps))
    if csv_file is not None:
        write_text(csv_file, area_csv(area))
    tables = area_table(config.name, area, sram, memories)
    deliver(tables, area_tree(config.name, area, sram, memories), json_file)
