"""``hwsim simulate``: a network in RTL, held against the cycle model and the reference interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli.command import (
    Architecture,
    Calibration,
    Engine,
    EngineOption,
    Goal,
    InputFile,
    JsonFile,
    Model,
    ObjectiveOption,
    Rows,
    RowsOption,
    SimulatorOption,
    calibration_data,
    deliver,
    reporting,
)
from hwsim.cli.reports import CsvFile, HtmlFile, check_reports

__all__ = ["simulate"]


def simulate(
    model: Model,
    arch: Architecture = "dense-16x16",
    input_file: InputFile = None,
    layers: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Only these layers: names or numbers, with commas; 2-5 a range.")
    ] = None,
    waves: Annotated[
        Path | None, typer.Option(metavar="FILE.fst", help="Write a waveform, as .fst or .vcd. Slow, and large.")
    ] = None,
    simulator: SimulatorOption = "verilator",
    memory: Annotated[
        str,
        typer.Option(metavar="dram|axiram", help="Deterministic, or answering at random: a test of the bus protocol."),
    ] = "dram",
    seed: Annotated[int, typer.Option(help="Of random inputs and of a random memory.")] = 0,
    calibration: Calibration = None,
    objective: ObjectiveOption = Goal.CYCLES,
    rows: RowsOption = Rows.BALANCED,
    engine: EngineOption = Engine.CHEAPEST,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Run a network in RTL; compare its bytes with the reference interpreter and its cycles with the model.

    Exits with 1 where anything differs.
    """
    from hwsim.simulation.build import waves_format
    from hwsim.simulation.harness import check_memory
    from hwsim.simulation.simulators import check_simulator

    check_reports(json=json_file, csv=csv_file, html=html_file)
    check_simulator(simulator)
    waves_format(waves)
    kind = check_memory(memory)
    data = calibration_data(calibration)
    if waves is not None:
        from hwsim.files import check_output

        check_output(waves)
    inputs = None
    if input_file is not None:
        from hwsim.files import load_array

        inputs = load_array(input_file)

    import hwsim
    from hwsim.report.tables import simulation_table

    with reporting() as reporter:
        result = hwsim.simulate(
            model,
            arch,
            inputs=inputs,
            layers=layers.split(",") if layers else None,
            simulator=simulator,
            memory=kind,
            waves=waves,
            seed=seed,
            calibration=data,
            objective=objective.value,
            rows=rows.value,
            engine=engine.value,
            reporter=reporter,
        )
    if csv_file is not None:
        from hwsim.files import write_text
        from hwsim.report.csv import simulation_csv

        write_text(csv_file, simulation_csv(result))
    if html_file is not None:
        from hwsim.files import write_text
        from hwsim.report.html import simulation_page

        write_text(html_file, simulation_page(result))
    deliver(simulation_table(result), result.to_json(), json_file)
    if not result.agrees:
        raise typer.Exit(1)
