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
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rtl.strict_yaml import YamlError, parse_yaml

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = [
    "AXI_BOUNDARY_BYTES",
    "PARAM_BYTES",
    "ArchConfig",
    "BusConfig",
    "ConfigError",
    "ControlConfig",
    "DenseConfig",
    "DramConfig",
    "MemoryConfig",
    "SparseConfig",
    "TechnologyConfig",
    "explain",
    "load_arch",
    "preset_names",
    "settings",
]

AXI_BOUNDARY_BYTES = 4096
"""No burst crosses a multiple of this (AMBA AXI4, A3.4.1)."""

PARAM_BYTES = 8
"""Bytes of parameters per output channel: bias (int32), mantissa (uint24), shift (uint8), little-endian."""

_NOT_IN_RTL = {
    "name": True, "clock_mhz": True, "dram": True, "technology": True, "bus": {"decoder_entries_per_cycle"},
}  # fmt: skip
"""Settings that the Verilog does not depend on."""
_MAX_FILE_BYTES = 1 << 16
_MAX_SPMAT_KIB = 1 << 14
"""All that the 24 bits of a scratchpad address reach."""


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


class SparseConfig(_Part):
    """The zero-skipping engine: rows of the matrix interleaved over processing elements (EIE, Han et al. 2016)."""

    pes: Annotated[int, Field(ge=1, le=256)] = 16
    """Processing elements. Position q of the output lies in PE ``q % pes``."""
    fifo_depth: Annotated[int, Field(ge=1, le=64)] = 8
    """Columns that wait in each PE."""
    weights: Literal["codebook", "int8"] = "codebook"
    """What an entry holds: the code of a shared 16-bit weight, or an int8 weight itself."""
    code_bits: Annotated[int, Field(ge=2, le=8)] = 4
    """Width of a code; 8 with ``weights: int8``. Code 0 is the weight zero."""
    index_bits: Annotated[int, Field(ge=2, le=8)] = 4
    """Width of the zero run before an entry; a longer one takes padding entries."""
    row_bytes: Annotated[int, Field(ge=1, le=32)] = 8
    """Width of the sparse-matrix memory: what one read brings."""
    spmat_kib: Annotated[int, Field(ge=1, le=1024)] = 16
    """Sparse-matrix memory of one PE."""
    pointers: Annotated[int, Field(ge=16, le=65536)] = 2048
    """16-bit column pointers of one PE, in an even and an odd bank."""
    accumulators: Annotated[int, Field(ge=4, le=2048)] = 128
    """32-bit sums of one PE, in each of two halves."""
    tables: Annotated[int, Field(ge=1, le=16)] = 4
    """Codebooks held at once."""
    lanes: Annotated[int, Field(ge=1, le=16)] = 8
    """Sums requantised per cycle when the engine is drained."""

    @property
    def entry_bits(self) -> int:
        """Code and zero run."""
        return self.code_bits + self.index_bits

    @property
    def row_entries(self) -> int:
        """Entries of a row of the sparse-matrix memory: the largest power of two that fits."""
        return 1 << ((8 * self.row_bytes // self.entry_bits).bit_length() - 1)

    @property
    def weight_bits(self) -> int:
        """Width of a weight: a codebook's value, or an int8."""
        return 16 if self.weights == "codebook" else 8

    @property
    def longest_run(self) -> int:
        """Most zeros that one entry can skip."""
        return (1 << self.index_bits) - 1


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
    decoder_entries_per_cycle: Annotated[float, Field(ge=1 / 64, le=64)] | None = None
    """Pairs of code and zero run that a Huffman decoder in the load engine's way makes per cycle. It is a model beside
    the RTL, which has none and loads entries as they are: estimates then say what coded weights would take. None: they
    say nothing of it."""


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

    table: Annotated[str, Field(pattern=r"^(characterized:)?[a-z0-9][a-z0-9.-]{0,63}$")] = "horowitz-45nm"
    """A table of ``hwsim/energy/tables``, or ``characterized:NAME`` for one of ``hwsim characterize``."""
    dram: Literal["lpddr4", "ddr4", "hbm2"] | None = None
    """Kind of memory behind the bus; the table's own without it."""
    voltage_v: Annotated[float, Field(gt=0, le=5)] | None = None
    """Supply; the table's own without it. ``clock_mhz`` is at the table's own, and goes with the supply."""


class ArchConfig(_Part):
    """One accelerator. See ``docs/architecture.md`` for what each part does.

    It has a dense engine, a sparse engine, or both; settings of one that is absent are ``null``.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] = "custom"
    clock_mhz: Annotated[float, Field(gt=0, le=10_000)] = 500.0
    dense_engine: DenseConfig | None = Field(default=DenseConfig(), alias="dense")
    sparse_engine: SparseConfig | None = Field(default=None, alias="sparse")
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
        if self.dense_engine is None and self.sparse_engine is None:
            raise ValueError("an accelerator needs an engine: dense, sparse or both are to be set")
        if self.dense_engine is not None:
            self._possible_dense(self.dense_engine)
        if self.sparse_engine is not None:
            self._possible_sparse(self.sparse_engine)
        burst = self.bus.data_bytes * self.bus.burst_beats
        if burst > AXI_BOUNDARY_BYTES:
            raise ValueError(
                f"bus.burst_beats={self.bus.burst_beats} of {self.bus.data_bytes} bytes make bursts of {burst} bytes, "
                f"over AXI's {AXI_BOUNDARY_BYTES} (lower burst_beats)"
            )
        if self.bus.data_bytes > 32:
            raise ValueError(f"bus.data_bytes={self.bus.data_bytes} is wider than an instruction of 32 bytes")
        return self

    def _possible_dense(self, dense: DenseConfig) -> None:
        if dense.depthwise_taps > dense.rows:
            raise ValueError(
                f"dense.depthwise_taps={dense.depthwise_taps} needs that many rows; dense.rows={dense.rows} "
                "(lower depthwise_taps or raise rows)"
            )
        if dense.dataflow == "output_stationary" and dense.depthwise_taps:
            raise ValueError(
                f"dense.depthwise_taps={dense.depthwise_taps} is for the weight-stationary dataflow "
                "(set it to 0 for output_stationary)"
            )

    def _possible_sparse(self, sparse: SparseConfig) -> None:
        for field in ("pes", "row_bytes", "spmat_kib", "pointers", "accumulators", "tables", "lanes"):
            _power_of_two(f"sparse.{field}", getattr(sparse, field))
        if sparse.lanes > sparse.pes:
            raise ValueError(f"sparse.lanes={sparse.lanes} drain {sparse.pes} PEs (lower lanes to sparse.pes at most)")
        if sparse.weights == "int8" and sparse.code_bits != 8:
            raise ValueError(f"sparse.code_bits={sparse.code_bits} cannot hold int8 weights (set it to 8)")
        if sparse.entry_bits > 8 * sparse.row_bytes:
            raise ValueError(
                f"sparse.row_bytes={sparse.row_bytes} is narrower than an entry of {sparse.entry_bits} bits "
                "(raise row_bytes, or lower code_bits or index_bits)"
            )
        if (params := sparse.pes * PARAM_BYTES) > self.memory.param_kib * 1024:
            raise ValueError(
                f"memory.param_kib={self.memory.param_kib} does not hold the {params} bytes of a channel in each of "
                f"sparse.pes={sparse.pes} (raise param_kib or lower pes)"
            )
        total = sparse.pes * sparse.spmat_kib
        if total > _MAX_SPMAT_KIB:
            raise ValueError(
                f"sparse.spmat_kib={sparse.spmat_kib} in {sparse.pes} PEs is {total} KiB, over the {_MAX_SPMAT_KIB} "
                "that an address reaches (lower spmat_kib)"
            )
        if sparse.pointers * max(2 * sparse.pes, self.bus.data_bytes) > _MAX_SPMAT_KIB * 1024:
            raise ValueError(
                f"sparse.pointers={sparse.pointers} in {sparse.pes} PEs are beyond what an address reaches "
                "(lower pointers)"
            )

    @property
    def dense(self) -> DenseConfig:
        """The dense engine.

        Raises:
            ConfigError: there is none.

        """
        if self.dense_engine is None:
            raise ConfigError(f"{self.name} has no dense engine")
        return self.dense_engine

    @property
    def sparse(self) -> SparseConfig:
        """The sparse engine.

        Raises:
            ConfigError: there is none.

        """
        if self.sparse_engine is None:
            raise ConfigError(f"{self.name} has no sparse engine")
        return self.sparse_engine

    @cached_property
    def banks(self) -> int:
        """Byte-wide banks of every scratchpad: the smallest power of two that holds any vector moved in a cycle."""
        widths = [self.bus.data_bytes, 8]
        if self.dense_engine is not None:
            widths += [self.dense_engine.rows, self.dense_engine.cols]
        if self.sparse_engine is not None:
            widths += [PARAM_BYTES * self.sparse_engine.lanes]
        return 1 << (max(widths) - 1).bit_length()

    @property
    def macs_per_cycle(self) -> int:
        """Peak multiply-accumulates per cycle, of both engines."""
        dense, sparse = self.dense_engine, self.sparse_engine
        return (dense.rows * dense.cols if dense else 0) + (sparse.pes if sparse else 0)

    @property
    def psum_bits(self) -> int:
        """Width of a sum that leaves a column: no sum of ``rows`` int8 products overflows it, or a whole one's."""
        if self.dense.dataflow == "output_stationary":
            return 32
        return 16 + (self.dense.rows - 1).bit_length()

    @cached_property
    def rtl_hash(self) -> str:
        """16 hex digits that name the hardware: equal for configurations that give the same Verilog."""
        hardware = self.model_dump_json(exclude=_NOT_IN_RTL)
        return hashlib.sha256(hardware.encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return hash((self.rtl_hash, self.name, self.clock_mhz, self.dram, self.technology, self.bus))


def settings(part: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    """Settings of a part by their names in YAML, each with the part that it is, if it is one."""
    return {
        info.alias or name: next((kind for kind in _kinds(info.annotation) if issubclass(kind, BaseModel)), None)
        for name, info in part.model_fields.items()
    }


def _kinds(annotation: object) -> list[type]:
    """The classes that an annotation names: itself, or those of a union."""
    return [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]


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
        raise ConfigError(f"{origin}: " + "; ".join(explain(e) for e in error.errors()[:3])) from error


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


def explain(error: ErrorDetails) -> str:
    """What is wrong with a setting, in a few words for a person."""
    where = _brief(".".join(map(str, error["loc"]))) or "architecture"
    if error["type"] == "extra_forbidden":
        known = settings(ArchConfig)
        for step in error["loc"][:-1]:
            known = settings(known[str(step)] or ArchConfig)
        near = difflib.get_close_matches(str(error["loc"][-1]), list(known), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        return f"{where} is not a setting; {hint}"
    if error["type"] == "value_error":
        return error["msg"].removeprefix("Value error, ")
    given = _brief(repr(error["input"]))
    if error["type"] == "model_type":
        return f"{where}: input should be a mapping of settings (got {given})"
    return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]} (got {given})"
