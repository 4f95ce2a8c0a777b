"""``hwsim estimate``: cycles and energy of every layer, without simulating."""

from __future__ import annotations

from typing import Annotated

import typer

from hwsim.cli.command import (
    Architecture,
    Calibration,
    Engine,
    EngineOption,
    Fidelity,
    Goal,
    InputFile,
    JsonFile,
    Model,
    ObjectiveOption,
    Rows,
    RowsOption,
    calibration_data,
    deliver,
    reporting,
)
from hwsim.cli.reports import CsvFile, HtmlFile, TraceFile, check_reports, refuse_reports

__all__ = ["estimate"]

Technology = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Energy table: horowitz-45nm, tpuv4i-7nm, eyeriss-65nm-normalised or characterized:NAME."
    ),
]
Dram = Annotated[
    str | None,
    typer.Option(metavar="lpddr4|ddr4|hbm2", help="Kind of DRAM, for its energy; ARCH's or the table's without it."),
]
Voltage = Annotated[
    float | None, typer.Option(metavar="VOLTS", help="Supply voltage: scales energy, and the clock with it.")
]

ScaleSim = Annotated[
    bool, typer.Option("--scalesim", help="Show the cycles of SCALE-Sim's closed forms beside ours instead.")
]


FidelityOption = Annotated[Fidelity, typer.Option(help="Closed forms, in milliseconds; or every cycle of the program.")]


def estimate(
    model: Model,
    arch: Architecture = "dense-16x16",
    calibration: Calibration = None,
    technology: Technology = None,
    dram: Dram = None,
    voltage: Voltage = None,
    fidelity: FidelityOption = Fidelity.CYCLE,
    objective: ObjectiveOption = Goal.CYCLES,
    rows: RowsOption = Rows.BALANCED,
    engine: EngineOption = Engine.CHEAPEST,
    input_file: InputFile = None,
    seed: Annotated[int, typer.Option(help="Of the input without --input; only sparse layers depend on it.")] = 0,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    html_file: HtmlFile = None,
    trace_file: TraceFile = None,
    *,
    scalesim: ScaleSim = False,
) -> None:
    """Cycles, utilisation, memory traffic and energy of every layer, without simulating it."""
    check_reports(json=json_file, csv=csv_file, html=html_file, trace=trace_file)
    data = calibration_data(calibration)
    inputs = None
    if input_file is not None:
        from hwsim.files import load_array

        inputs = load_array(input_file)
    if scalesim:
        refuse_reports("scalesim", csv=csv_file, html=html_file, trace=trace_file)
        from hwsim.report.tables import scalesim_table
        from hwsim.scalesim import compare

        with reporting() as reporter:
            reporter.stage(f"reading and mapping {model}")
            comparison = compare(model, arch, calibration=data)
        deliver(scalesim_table(comparison), comparison.to_json(), json_file)
        return

    import hwsim
    from hwsim.report.tables import estimate_table

    with reporting() as reporter:
        result = hwsim.estimate(
            model,
            arch,
            calibration=data,
            technology=technology,
            dram=dram,
            voltage_v=voltage,
            fidelity=fidelity.value,
            objective=objective.value,
            rows=rows.value,
            engine=engine.value,
            inputs=inputs,
            seed=seed,
            trace=trace_file,
            reporter=reporter,
        )
    if csv_file is not None:
        from hwsim.files import write_text
        from hwsim.report.csv import estimate_csv

        write_text(csv_file, estimate_csv(result))
    if html_file is not None:
        from hwsim.files import write_text
        from hwsim.report.html import estimate_page

        write_text(html_file, estimate_page(result))
    deliver(estimate_table(result), result.to_json(), json_file)
