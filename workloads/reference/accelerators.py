"""Published measurements of accelerators, and what SCALE-Sim gives: figures to stand ours beside."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.reference.table import Fact, Sourced, Table, column, interval, optional

__all__ = [
    "EYERISS_ALEXNET",
    "EYERISS_CHIP",
    "EYERISS_VGG16",
    "GEMMINI_GEMM",
    "MLPERF_TINY_FPGA",
    "MLPERF_TINY_MODELS",
    "OPERATION_ENERGY",
    "SCALESIM_EQUATIONS",
    "SCALESIM_ORACLE",
    "SPARSE_ACCELERATORS",
    "EyerissLayer",
    "GemminiGemm",
    "OperationEnergy",
    "ScaleSimEquation",
    "ScaleSimRun",
    "TinyFpga",
    "TinyModel",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EyerissLayer(Sourced):
    """A layer measured on the Eyeriss chip (JSSC 2017, tables V and VI), for the batch that ``note`` names."""

    layer: str = column("layer", str)
    power_mw: float = column("power_mW", float)
    total_latency_ms: float = column("total_latency_ms", float)
    processing_latency_ms: float = column("processing_latency_ms", float)
    macs_g: float = column("MACs_G", float)
    active_pes: int = column("active_PEs", int)
    active_pe_pct: float = column("active_PE_pct", float)
    ifmap_zeros_pct: float = column("ifmap_zeros_pct", float)
    buffer_access_mb: float = column("GLB_access_MB", float)
    dram_access_mb: float = column("DRAM_access_MB", float)
    note: str = column("note", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class GemminiGemm(Sourced):
    """An int8 matrix product ``[M, K] x [K, N]`` on Gemmini's 16 x 16 weight-stationary RTL."""

    m: int = column("M", int)
    k: int = column("K", int)
    n: int = column("N", int)
    ideal_cycles: int = column("ideal_cycles(MKN/256)", int)
    rtl_cycles: int = column("rtl_cycles", int)
    utilisation_pct: float = column("utilisation_pct", float)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEnergy(Sourced):
    """Energy of one operation. The area column was not read in a source, and is no figure of record."""

    operation: str = column("operation", str)
    pj_45nm: tuple[float, float] | None = column("pJ_45nm_0.9V", optional(interval))
    pj_7nm: tuple[float, float] | None = column("pJ_7nm", optional(interval))
    area_um2_45nm_unconfirmed: float | None = column("area_um2_45nm(FROM MEMORY unconfirmed)", optional(float))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSimEquation(Sourced):
    """SCALE-Sim's closed form for a dataflow; ``spatial_rows``, ``spatial_cols`` and ``time`` are of M, K, N."""

    dataflow: str = column("dataflow", str)
    spatial_rows: str = column("S_R", str)
    spatial_cols: str = column("S_C", str)
    time: str = column("T", str)
    cycles_per_fold: str = column("cycles_per_fold", str)
    folds: str = column("folds", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSimRun:
    """A layer on an ``array`` x ``array`` machine: the closed form, and the tool itself where it was run."""

    net: str = column("net", str)
    layer: str = column("layer", str)
    m_pixels: int = column("M_pixels", int)
    k_window: int = column("K_window", int)
    n_filters: int = column("N_filters", int)
    array: int = column("array", int)
    dataflow: str = column("dataflow", str)
    """``ws``, ``os`` or ``is``."""
    cycles_closed_form: int = column("cycles_closed_form", int)
    """:class:`ScaleSimEquation` evaluated, less the one cycle a layer that the tool does not report."""
    cycles_run: int | None = column("cycles_scalesim_run", optional(int))
    stall_cycles: int | None = column("stall_user16", optional(int))
    """With a user bandwidth of 16 words a cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModel(Sourced):
    """A model of MLPerf Tiny: its size, and the quality that the closed division asks for."""

    benchmark: str = column("benchmark", str)
    model: str = column("model", str)
    macs: int = column("MACs(computed)", int)
    parameters: int = column("params_no_BN", int)
    batch_norm_parameters: int = column("BN_params", int)
    total_parameters: int = column("params_total", int)
    int8_file_bytes: int = column("int8_tflite_bytes", int)
    quality_target: str = column("quality_target", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyFpga(Sourced):
    """An FPGA submission to MLPerf Tiny, open division."""

    round: str = column("round", str)
    model: str = column("model", str)
    flow: str = column("flow", str)
    board: str = column("board", str)
    task: str = column("task", str)
    inferences_per_s: float | None = column("median_inf_per_s", optional(float))
    latency_us: float | None = column("latency_us(=1e6/thr)", optional(float))
    energy_uj: float | None = column("median_energy_uJ_per_inf", optional(float))
    accuracy: str = column("accuracy", str)


EYERISS_ALEXNET = Table(file="eyeriss_alexnet.csv", row=EyerissLayer, title="Eyeriss, AlexNet, batch 4")
EYERISS_VGG16 = Table(file="eyeriss_vgg16.csv", row=EyerissLayer, title="Eyeriss, VGG-16, batch 3")
EYERISS_CHIP = Table(file="eyeriss_chip.csv", row=Fact, title="Eyeriss, the chip")
GEMMINI_GEMM = Table(file="gemmini_rtl_gemm.csv", row=GemminiGemm, title="Gemmini RTL, matrix products")
OPERATION_ENERGY = Table(file="op_energy.csv", row=OperationEnergy, title="Energy of an operation, 45 nm and 7 nm")
SCALESIM_EQUATIONS = Table(file="scalesim_equations.csv", row=ScaleSimEquation, title="SCALE-Sim v2, closed forms")
SCALESIM_ORACLE = Table(
    file="scalesim_oracle.csv", row=ScaleSimRun, title="SCALE-Sim closed forms evaluated, and scalesim 3.0.0 where run"
)
MLPERF_TINY_MODELS = Table(file="mlperf_tiny_models.csv", row=TinyModel, title="MLPerf Tiny, the models")
MLPERF_TINY_FPGA = Table(file="mlperf_tiny_fpga.csv", row=TinyFpga, title="MLPerf Tiny, FPGA submissions")
SPARSE_ACCELERATORS = Table(
    file="sparse_accelerators.csv", row=Fact, title="Sparse accelerators' headlines", rename={"headline": "value"}
)
