"""``hwsim estimate``: cycles of every layer, without simulating."""

from __future__ import annotations

from hwsim.cli.command import Architecture, Calibration, JsonFile, Model, calibration_data, check_json, deliver, reporting

__all__ = ["estimate"]


def estimate(
    model: Model, arch: Architecture = "dense-16x16", calibration: Calibration = None, json_file: JsonFile = None
) -> None:
    """Cycles, utilisation and memory traffic of every layer, without simulating it."""
    check_json(json_file)
    data = calibration_data(calibration)

    import hwsim
    from hwsim.report.tables import estimate_table

    with reporting() as reporter:
        result = hwsim.estimate(model, arch, calibration=data, reporter=reporter)
    deliver(estimate_table(result), result.to_json(), json_file)
