"""``hwsim verilog``: the accelerator, to take elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli.command import Architecture, JsonFile, check_json, deliver, reporting

__all__ = ["verilog"]


def verilog(
    arch: Architecture = "dense-16x16",
    folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write it: a new folder, or an empty one.")
    ] = Path("accelerator"),
    single_file: Annotated[bool, typer.Option("--single-file", help="All modules in one file.")] = False,
    json_file: JsonFile = None,
) -> None:
    """Write the accelerator's Verilog with all that a hand-over needs: documents, constraints, a test bench."""
    check_json(json_file)

    from rich.table import Table

    from hwsim.handover.folder import write_handover
    from rtl.config import load_arch
    from rtl.verilog import TOP

    config = load_arch(arch)
    with reporting() as reporter:
        reporter.stage(f"emitting the Verilog of {config.name}")
        files = write_handover(config, folder, single_file=single_file)

    table = Table(title=f"{config.name}, hardware {config.rtl_hash}: {folder}", title_justify="left")
    for column in ("", "files", "lines", "KiB"):
        table.add_column(column, justify="left" if not column else "right")
    parts: dict[str, list[str]] = {}
    for name, text in files.items():
        parts.setdefault(name.partition("/")[0] + "/" * ("/" in name), []).append(text)
    for part, texts in parts.items():
        lines = sum(text.count("\n") for text in texts)
        table.add_row(part, str(len(texts)), f"{lines:,}", f"{sum(map(len, texts)) / 1024:,.1f}")
    tree = {
        "arch": config.name,
        "rtl_hash": config.rtl_hash,
        "top": TOP,
        "files": [
            {"path": str(folder / name), "lines": text.count("\n"), "bytes": len(text.encode())}
            for name, text in files.items()
        ],
    }
    deliver(table, tree, json_file)
