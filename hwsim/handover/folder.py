"""The folder of a hand-over: what is in it, and how it comes to be there whole or not at all."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from hwsim.errors import InputError
from hwsim.files import reason
from hwsim.handover.memories import memory_page
from hwsim.handover.readme import readme
from hwsim.handover.sample import Sample, make_sample
from hwsim.handover.software import c_header, registers_json, svd
from hwsim.handover.tools import fusesoc_core, sdc
from hwsim.handover.verilog import modules, plain_names, synthesisable
from hwsim.reference.hardware import counters, instruction_set, registers
from rtl import csr, isa
from rtl.counters import COUNTERS
from rtl.isa import Engine
from rtl.verilog import TOP, to_verilog

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["contents", "write_handover"]

_BENCH = ("test_accelerator.py", "axi_memory.py", "registers.py", "check_results.py")
_ONE_WORD = re.compile(r"^  reg (?:\[\d+:0\] )?(\w+) \[0:0\];", re.MULTILINE)
_ONE_FILE_RULE = "lint_off -rule DECLFILENAME"


def write_handover(config: ArchConfig, folder: Path, *, single_file: bool = False) -> dict[str, str]:
    """Write the hand-over of ``config`` to ``folder``, which must not be there, or be empty; return what is in it.

    Whoever looks meanwhile sees no folder or an empty one, and so does whoever looks after a crash.

    Raises:
        InputError: the folder is not empty, is a file or cannot be written; or the memories are too small for the
            sample program.

    """
    try:
        _check_unused(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".partial"))
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {reason(error)}") from error
    try:
        files = contents(config, single_file=single_file)
        _write(partial, files)
        partial.replace(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {reason(error)}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return files


def _check_unused(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; name a new folder, or remove it")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a new folder")


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    # mkdtemp makes folders private; a result is as open as those made in it.
    folder.chmod((folder / "rtl").stat().st_mode)


def contents(config: ArchConfig, *, single_file: bool = False) -> dict[str, str]:
    """The files of a hand-over by their path in it.

    Raises:
        InputError: the memories are too small for the sample program.

    """
    sample = make_sample(config)
    text = synthesisable(plain_names(to_verilog(config)))
    parts = modules(text)
    sources = {f"rtl/{TOP}.v": text} if single_file else {f"rtl/{name}.v": part for name, part in parts.items()}
    return {
        "README.md": readme(config, sample, sources, parts[TOP]),
        "Makefile": _bench_file("Makefile"),
        f"{TOP}.yaml": yaml.safe_dump(config.model_dump(), sort_keys=False),
        f"{TOP}.core": fusesoc_core(config, list(sources)),
        f"constraints/{TOP}.sdc": sdc(config, parts[TOP]),
        "rtl/files.f": "".join(f"{name}\n" for name in sources),
        "rtl/lint.vlt": _waivers(single_file=single_file),
        "rtl/lint.ys": _yosys_script(sources),
        **sources,
        "doc/registers.md": registers() + _after_reset(config),
        "doc/registers.json": registers_json(config),
        f"doc/{TOP}.svd": svd(config),
        "doc/instructions.md": instruction_set(),
        "doc/counters.md": counters(),
        "doc/memories.md": memory_page(parts),
        f"sw/{TOP}.h": c_header(config),
        **{f"tb/{name}": _bench_file(name) for name in _BENCH},
        **_sample_files(config, sample),
    }


def _after_reset(config: ArchConfig) -> str:
    """Values of the registers that are not zero, as a section of their page."""
    values = {register.name: register.reset for register in csr.REGISTERS.values()} | csr.constants(config)
    rows = "".join(f"| `{name}` | `0x{value:08x}` |\n" for name, value in values.items() if value)
    title = f"\n## After reset\n\nIn {config.name}. All others read as zero.\n\n"
    return f"{title}| name | value |\n| --- | --- |\n{rows}"


def _bench_file(name: str) -> str:
    return (resources.files("hwsim.handover") / "bench" / name).read_text()


def _waivers(*, single_file: bool) -> str:
    """``rtl/lint.vlt``, less the rule (and the comment above it) that is only broken by several modules in one file."""
    lines = (resources.files("rtl") / "lint.vlt").read_text().splitlines()
    if not single_file:
        at = lines.index(_ONE_FILE_RULE)
        del lines[at - 1 : at + 1]
    return "\n".join(lines) + "\n"


def _yosys_script(sources: dict[str, str]) -> str:
    reads = "".join(f"read_verilog {name}\n" for name in sources)
    waived = "".join(
        f'logger -nowarn "memory .{memory} with list of registers. See {name}:"\n'
        for name, text in sources.items()
        for memory in sorted(set(_ONE_WORD.findall(text)))
    )
    if waived:
        waived = f"# Memories of one word, for a queue of one place: registers is what they are.\n{waived}"
    return f"{waived}{reads}hierarchy -check -top {TOP}\nproc\ncheck -assert -initdrv\n"


def _sample_files(config: ArchConfig, sample: Sample) -> dict[str, str]:
    files = {f"sample/output_{k}.hex": _hex_lines(output.data) for k, output in enumerate(sample.outputs)}
    width = config.bus.data_bytes
    image = sample.image + bytes(-len(sample.image) % width)
    words = [image[at : at + width][::-1].hex() for at in range(0, len(image), width)]
    return {
        "sample/sample.json": json.dumps(_description(config, sample), indent=1) + "\n",
        "sample/image.hex": "\n".join(words) + "\n",
        "sample/program.txt": _listing(sample),
        **files,
    }


def _hex_lines(data: bytes) -> str:
    return "\n".join(data[at : at + 16].hex(" ") for at in range(0, len(data), 16)) + "\n"


def _description(config: ArchConfig, sample: Sample) -> dict[str, object]:
    model = sample.model
    return {
        "arch": config.name,
        "constants": csr.constants(config),
        "faults": {fault.name: int(fault) for fault in isa.Fault},
        "dram": config.dram.model_dump(),
        "program": {
            "program": sample.segment.address,
            "program_length": len(sample.segment.instructions),
            "window_base": 0,
            "window_bytes": sample.window_bytes,
        },
        "outputs": [
            {"tensor": o.name, "address": o.address, "file": f"output_{k}.hex"} for k, o in enumerate(sample.outputs)
        ],
        "cycles": model.cycles,
        "layers": [
            {
                "name": layer.name,
                "engine": layer.engine,
                "counters": {c.name: int(model.counters[index, i]) for i, c in enumerate(COUNTERS)},
                "last_retire": {f"last_retire_{e.name.lower()}": int(model.last_retire[index, e]) for e in Engine},
            }
            for index, layer in enumerate(sample.layers)
        ],
    }


def _listing(sample: Sample) -> str:
    """Address, word and fields of every instruction."""
    lines = []
    for index, instruction in enumerate(sample.segment.instructions):
        address = sample.segment.address + index * isa.INSTRUCTION_BYTES
        lines.append(f"{address:08x}  {isa.encode(instruction):064x}  {instruction}")
    return "\n".join(lines) + "\n"
