"""``hwsim verilog``: the accelerator, to take elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli.command import Architecture, JsonFile, check_json, deliver, reporting

__all__ = ["verilog"]


def verilog(
    arch: Architecture = "dense-16x16",
    folder: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write it.")] = Path(),
    json_file: JsonFile = None,
) -> None:
    """Write the accelerator's Verilog, and the architecture that it was made from."""
    check_json(json_file)

    import yaml
    from rich.table import Table

    from hwsim.errors import InputError
    from hwsim.files import reason, write_text
    from rtl.config import load_arch
    from rtl.verilog import TOP, to_verilog

    config = load_arch(arch)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {reason(error)}") from error
    with reporting() as reporter:
        reporter.stage(f"emitting the Verilog of {config.name}")
        text = to_verilog(config)
    files = {f"{TOP}.v": text, f"{TOP}.yaml": yaml.safe_dump(config.model_dump(), sort_keys=False)}
    for name, contents in files.items():
        write_text(folder / name, contents)

    table = Table(title=f"{config.name}, hardware {config.rtl_hash}", title_justify="left")
    for column in ("file", "lines", "KiB"):
        table.add_column(column, justify="left" if column == "file" else "right")
    for name, contents in files.items():
        table.add_row(str(folder / name), f"{contents.count(chr(10)):,}", f"{len(contents) / 1024:,.1f}")
    tree = {
        "arch": config.name,
        "rtl_hash": config.rtl_hash,
        "top": TOP,
        "files": [
            {"path": str(folder / name), "lines": contents.count("\n"), "bytes": len(contents.encode())}
            for name, contents in files.items()
        ],
    }
    deliver(table, tree, json_file)
