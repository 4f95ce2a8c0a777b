"""``hwsim doctor``: whether everything is there."""

from __future__ import annotations

import typer

from hwsim.cli.command import JsonFile, check_json, deliver

__all__ = ["doctor"]


def doctor(json_file: JsonFile = None) -> None:
    """Look for the simulators and the tools they need, and say what to install.

    Exits with 1 where something required is missing.
    """
    check_json(json_file)

    from dataclasses import asdict

    from rich.table import Table

    from hwsim.doctor import examine, healthy

    findings = examine()
    table = Table(title="hwsim doctor", title_justify="left")
    table.add_column("")
    table.add_column("what")
    table.add_column("found", overflow="fold")
    for finding in findings:
        mark = "[green]ok" if finding.found else "[red]missing" if finding.required else "[yellow]optional"
        table.add_row(mark, finding.name, finding.detail)
    sound = healthy(findings)
    deliver(table, {"healthy": sound, "findings": [asdict(finding) for finding in findings]}, json_file)
    if not sound:
        raise typer.Exit(1)
