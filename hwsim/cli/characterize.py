"""``hwsim characterize``: area, frequency and energies of the netlist that a cell library gives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli.command import Architecture, DontUse, JsonFile, Liberty, Period, check_json, deliver, reporting

__all__ = ["characterize"]


def characterize(
    liberty: Liberty,
    arch: Architecture = "dense-16x16",
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of the table; the file's name without it.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="For NAME.yaml and the netlists; where --technology looks without it."
        ),
    ] = None,
    memories: Annotated[
        str, typer.Option(metavar="TABLE", help="Whose memories and DRAM to put beside it: sky130, or another table.")
    ] = "tpuv4i-7nm",
    period_ps: Period = 1000.0,
    dont_use: DontUse = None,
    sparse: Annotated[
        str | None, typer.Option(metavar="ARCH", help="Whose zero-skipping PE to measure besides, such as eie-64.")
    ] = None,
    isolation: Annotated[
        bool, typer.Option("--isolation", help="Measure what operand isolation would change.")
    ] = False,
    control: Annotated[
        bool, typer.Option("--control", help="Measure what an instruction takes on its way to its engine; minutes.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Synthesise, time and measure the netlist; write an energy table for --technology characterized:NAME."""
    check_json(json_file)

    import re

    import yaml

    from hwsim.energy.table import own_folder
    from hwsim.errors import InputError
    from hwsim.files import check_output, write_text
    from hwsim.report.silicon import characterisation_table, characterisation_tree
    from hwsim.silicon.characterisation.measure import characterise
    from hwsim.silicon.characterisation.table import technology_table
    from hwsim.silicon.library.memory import load_memories
    from hwsim.silicon.library.technology import prepare
    from hwsim.silicon.tools import find
    from rtl.config import load_arch

    config = load_arch(arch)
    if config.dense_engine is None or config.dense.dataflow != "weight_stationary":
        raise InputError(f"{config.name}: energies are measured in a weight-stationary array, and it has none")
    skipping = load_arch(sparse) if sparse is not None else None
    if skipping is not None and (skipping.sparse_engine is None or skipping.sparse.weights != "codebook"):
        raise InputError(f"--sparse {sparse}: it has no zero-skipping engine with codebooks")
    found = load_memories(memories)
    label = name or liberty.name.partition(".")[0].lower().replace("_", "-")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", label):
        raise InputError(f"--name {label}: a name has lower-case letters, digits, dots and hyphens")
    # Both are needed: without them nothing is measured.
    for program in ("yosys", "icarus"):
        find(program)
    folder = output or own_folder()
    path = folder / f"{label}.yaml"
    if json_file is not None and json_file.resolve() == path.resolve():
        raise InputError(f"--json {json_file}: is where the table goes; name another file")
    work = (folder / label).resolve()
    with reporting() as reporter:
        reporter.stage(f"reading {liberty.name}")
        technology = prepare(liberty, work, tuple(dont_use or ()))
        check_output(path)
        made = characterise(
            config,
            technology,
            work,
            period_ps=period_ps,
            sparse=skipping,
            isolation=isolation,
            control=control,
            reporter=reporter,
        )
    table = technology_table(made, label, memories=found)
    header = f"# {table.title}. By `hwsim characterize --arch {config.name}`, with {', '.join(made.tools)}.\n"
    write_text(path, header + yaml.safe_dump(table.model_dump(exclude_none=True), sort_keys=False, width=160))
    deliver(characterisation_table(made, table, path), characterisation_tree(made, table), json_file)
