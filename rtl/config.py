"""What the hardware is: the one description that gateware, compiler and models all read.

An :class:`ArchConfig` is frozen, hashable and validated where it is made, so it can be the key of a cache. It loads
from YAML (:func:`load_arch`) or by the name of a preset in ``rtl/presets``.
"""

from __future__ import annotations

import difflib
import hashlib
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rtl.strict_yaml import YamlError, parse_yaml

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = [
    "AXI_BOUNDARY_BYTES",
    "ArchConfig",
    "BusConfig",
    "ConfigError",
    "ControlConfig",
    "DenseConfig",
    "DramConfig",
    "MemoryConfig",
    "TechnologyConfig",
    "load_arch",
    "preset_names",
]

AXI_BOUNDARY_BYTES = 4096
"""No burst crosses a multiple of this (AMBA AXI4, A3.4.1)."""

_MAX_FILE_BYTES = 1 << 16


class ConfigError(ValueError):
    """A hardware description that cannot be built. The message is one line and says what to change."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _power_of_two(name: str, value: int) -> None:
    if value & (value - 1):
        raise ValueError(f"{name} must be a power of two, not {value}")


class DenseConfig(_Part):
    """The R x C systolic array."""

    rows: Annotated[int, Field(ge=2, le=128)] = 16
    """PEs along the reduction axis (K: kernel window x input channels)."""
    cols: Annotated[int, Field(ge=2, le=128)] = 16
    """PEs along the output-channel axis."""
    dataflow: Literal["weight_stationary", "output_stationary"] = "weight_stationary"
    """What stays in the PEs: weights, while pixels stream past, or sums, while activations and weights do."""
    depthwise_taps: Annotated[int, Field(ge=0, le=16)] = 7
    """Rows that can take a column's own channel, for depthwise convolution: the widest kernel row. 0: none."""


class MemoryConfig(_Part):
    """On-chip scratchpads. Each has one writer, so no port is ever contended.

    ``ifm`` is written by the load engine, ``ofm`` by the post-processing engine; the array reads either.
    """

    ifm_kib: Annotated[int, Field(ge=1, le=4096)] = 64
    ofm_kib: Annotated[int, Field(ge=1, le=4096)] = 64
    weight_kib: Annotated[int, Field(ge=1, le=4096)] = 64
    param_kib: Annotated[int, Field(ge=1, le=256)] = 4
    """Bias, multiplier and shift of output channels: 8 bytes a channel."""
    accumulators: Annotated[int, Field(ge=16, le=8192)] = 512
    """Entries of ``cols`` 32-bit sums in each of the two halves."""


class BusConfig(_Part):
    """AXI4 data width and what the DMA keeps in flight."""

    data_bytes: Annotated[int, Field(ge=4, le=64)] = 16
    burst_beats: Annotated[int, Field(ge=2, le=256)] = 16
    """Longest burst, in beats."""
    outstanding: Annotated[int, Field(ge=1, le=64)] = 8
    """Bursts in flight, each for reads and for writes."""


class DramConfig(_Part):
    """The deterministic memory that the simulation attaches. It does not change the RTL of the accelerator."""

    latency_cycles: Annotated[int, Field(ge=1, le=4096)] = 40
    """Cycles from an accepted address to the first beat of data, and from the last write beat to its response."""
    beat_interval: Annotated[int, Field(ge=1, le=64)] = 1
    """Cycles a beat occupies the bus; bandwidth is ``data_bytes / beat_interval`` bytes per cycle and direction."""


class ControlConfig(_Part):
    """Instruction supply."""

    queue_depth: Annotated[int, Field(ge=2, le=64)] = 8
    """Instructions waiting per engine."""
    fetch_depth: Annotated[int, Field(ge=4, le=256)] = 16
    """Instructions prefetched."""
    max_layers: Annotated[int, Field(ge=1, le=1024)] = 512
    """Layers that the event counters tell apart."""


class TechnologyConfig(_Part):
    """What the energy model prices by. It does not change the RTL."""

    table: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")] = "horowitz-45nm"
    """A table of ``hwsim/energy/tables``."""
    dram: Literal["lpddr4", "ddr4", "hbm2"] | None = None
    """Kind of memory behind the bus; the table's own without it."""
    voltage_v: Annotated[float, Field(gt=0, le=5)] | None = None
    """Supply; the table's own without it. ``clock_mhz`` is at the table's own, and goes with the supply."""


class ArchConfig(_Part):
    """One accelerator. See ``docs/architecture.md`` for what each part does."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] = "custom"
    clock_mhz: Annotated[float, Field(gt=0, le=10_000)] = 500.0
    dense: DenseConfig = DenseConfig()
    memory: MemoryConfig = MemoryConfig()
    bus: BusConfig = BusConfig()
    dram: DramConfig = DramConfig()
    control: ControlConfig = ControlConfig()
    technology: TechnologyConfig = TechnologyConfig()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        # Powers of two, so that an address is checked by its upper bits.
        for part, field in (
            ("memory", "ifm_kib"),
            ("memory", "ofm_kib"),
            ("memory", "weight_kib"),
            ("memory", "param_kib"),
            ("memory", "accumulators"),
            ("bus", "data_bytes"),
            ("bus", "burst_beats"),
            ("bus", "outstanding"),
            ("control", "queue_depth"),
            ("control", "fetch_depth"),
        ):
            _power_of_two(f"{part}.{field}", getattr(getattr(self, part), field))
        if self.dense.depthwise_taps > self.dense.rows:
            raise ValueError(
                f"dense.depthwise_taps={self.dense.depthwise_taps} needs that many rows; dense.rows={self.dense.rows} "
                "(lower depthwise_taps or raise rows)"
            )
        if self.dense.dataflow == "output_stationary" and self.dense.depthwise_taps:
            raise ValueError(
                f"dense.depthwise_taps={self.dense.depthwise_taps} is for the weight-stationary dataflow "
                "(set it to 0 for output_stationary)"
            )
        burst = self.bus.data_bytes * self.bus.burst_beats
        if burst > AXI_BOUNDARY_BYTES:
            raise ValueError(
                f"bus.burst_beats={self.bus.burst_beats} of {self.bus.data_bytes} bytes make bursts of {burst} bytes, "
                f"over AXI's {AXI_BOUNDARY_BYTES} (lower burst_beats)"
            )
        if self.bus.data_bytes > 32:
            raise ValueError(f"bus.data_bytes={self.bus.data_bytes} is wider than an instruction of 32 bytes")
        return self

    @property
    def banks(self) -> int:
        """Byte-wide banks of every scratchpad: the smallest power of two that holds any vector moved in a cycle."""
        return 1 << (max(self.dense.rows, self.dense.cols, self.bus.data_bytes, 8) - 1).bit_length()

    @property
    def macs_per_cycle(self) -> int:
        """Peak multiply-accumulates per cycle."""
        return self.dense.rows * self.dense.cols

    @property
    def psum_bits(self) -> int:
        """Width of a sum that leaves a column: no sum of ``rows`` int8 products overflows it, or a whole one's."""
        if self.dense.dataflow == "output_stationary":
            return 32
        return 16 + (self.dense.rows - 1).bit_length()

    @cached_property
    def rtl_hash(self) -> str:
        """16 hex digits that name the hardware: equal for configurations that give the same Verilog."""
        hardware = self.model_dump_json(exclude={"name", "clock_mhz", "dram", "technology"})
        return hashlib.sha256(hardware.encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return hash((self.rtl_hash, self.name, self.clock_mhz, self.dram, self.technology))


def preset_names() -> list[str]:
    """Names that :func:`load_arch` knows without a file."""
    folder = resources.files("rtl") / "presets"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_arch(arch: str | Path) -> ArchConfig:
    """The architecture called ``arch``: a preset's name, or the path of a YAML file.

    Raises:
        ConfigError: no such preset or file, not YAML, or a value that is unknown, mistyped or impossible.

    """
    text, origin = _read(arch)
    return parse_arch(text, origin)


def parse_arch(text: str, origin: str) -> ArchConfig:
    """An architecture from YAML text; ``origin`` names it in errors.

    Raises:
        ConfigError: as :func:`load_arch`.

    """
    try:
        tree = parse_yaml(text)
    except YamlError as error:
        raise ConfigError(f"{origin}: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{origin}: an architecture is a mapping of settings, not {type(tree).__name__}")
    try:
        return ArchConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{origin}: " + "; ".join(_explain(e) for e in error.errors()[:3])) from error


def _read(arch: str | Path) -> tuple[str, str]:
    if isinstance(arch, str) and arch in preset_names():
        return (resources.files("rtl") / "presets" / f"{arch}.yaml").read_text(), f"preset {arch}"
    path = Path(arch)
    shown = _brief(str(arch), most=400)
    try:
        if not path.suffix and not path.exists():
            near = difflib.get_close_matches(str(arch), preset_names(), n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(preset_names())}, or a YAML file"
            raise ConfigError(f"{shown}: no such architecture; {hint}")
        if not path.is_file() and path.exists():
            raise ConfigError(f"{shown}: not a file")
        # Read no more than that, whatever the file says of its size.
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ConfigError(f"{shown}: larger than {_MAX_FILE_BYTES} bytes, not an architecture")
        return content.decode(), shown
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigError(f"{shown}: cannot be read: {reason}") from error
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{shown}: not a file name") from error


def _brief(text: str, *, most: int = 80) -> str:
    """``text`` on one line, and not a long one."""
    plain = text if text.isprintable() else ascii(text)
    return plain if len(plain) <= most else plain[: most - 3] + "..."


def _explain(error: ErrorDetails) -> str:
    where = _brief(".".join(map(str, error["loc"]))) or "architecture"
    if error["type"] == "extra_forbidden":
        fields: type[BaseModel] = ArchConfig
        for step in error["loc"][:-1]:
            kind = fields.model_fields[str(step)].annotation
            fields = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else fields
        near = difflib.get_close_matches(str(error["loc"][-1]), list(fields.model_fields), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(fields.model_fields)}"
        return f"{where} is not a setting; {hint}"
    if error["type"] == "value_error":
        return error["msg"].removeprefix("Value error, ")
    given = _brief(repr(error["input"]))
    if error["type"] == "model_type":
        return f"{where}: input should be a mapping of settings (got {given})"
    return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]} (got {given})"
