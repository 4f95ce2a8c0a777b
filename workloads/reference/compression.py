"""Published compression results: Han et al. 2015, Deep Compression, energy-aware pruning, and the field's headlines."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.reference.table import Fact, Sourced, Table, column, count, optional

__all__ = [
    "DEEP_COMPRESSION",
    "DEEP_COMPRESSION_LAYERS",
    "ENERGY_AWARE_PRUNING",
    "HAN2015_LAYERS",
    "PRUNING",
    "CompressedLayer",
    "CompressedNetwork",
    "PrunedLayer",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedLayer(Sourced):
    """A layer of "Learning both Weights and Connections" (NIPS 2015); the network's sum is the layer ``Total``."""

    network: str = column("network", str)
    layer: str = column("layer", str)
    weights: int = column("weights", count)
    flop: int = column("flop", count)
    """Before pruning; a multiply-accumulate is two."""
    output_act_pct: float = column("act_pct_nonzero(output)", float)
    weights_kept_pct: float = column("weights_kept_pct", float)
    flop_pct: float = column("flop_pct", float)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedLayer(Sourced):
    """A layer of "Deep Compression" (ICLR 2016): P pruned, PQ quantised as well, PQH Huffman-coded as well."""

    network: str = column("network", str)
    layer: str = column("layer", str)
    weights: int = column("weights", count)
    weights_kept_pct: float = column("weights_kept_pct_P", float)
    weight_bits_pq: float = column("weight_bits_PQ", float)
    weight_bits_pqh: float = column("weight_bits_PQH", float)
    index_bits_pq: float = column("index_bits_PQ", float)
    index_bits_pqh: float = column("index_bits_PQH", float)
    size_pct_pq: float = column("compress_rate_pct_PQ", float)
    size_pct_pqh: float = column("compress_rate_pct_PQH", float)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedNetwork(Sourced):
    """A network of "Deep Compression": errors in percent, sizes as printed, compression ratios by stage."""

    network: str = column("network", str)
    top1_error: float = column("top1_err_ref", float)
    top1_error_compressed: float = column("top1_err_compressed", float)
    top5_error: float | None = column("top5_err_ref", optional(float))
    top5_error_compressed: float | None = column("top5_err_compressed", optional(float))
    size: str = column("size_ref", str)
    size_compressed: str = column("size_compressed", str)
    ratio_p: float = column("rate_P_x", float)
    ratio_pq: float = column("rate_PQ_x", float)
    ratio_pqh: float = column("rate_PQH_x", float)


HAN2015_LAYERS = Table(file="han2015_layers.csv", row=PrunedLayer, title="Han et al. 2015, pruned layers")
DEEP_COMPRESSION_LAYERS = Table(
    file="deep_compression_layers.csv", row=CompressedLayer, title="Deep Compression, by layer"
)
DEEP_COMPRESSION = Table(
    file="deep_compression_summary.csv", row=CompressedNetwork, title="Deep Compression, by network"
)
ENERGY_AWARE_PRUNING = Table(
    file="energy_aware_pruning.csv",
    row=Fact,
    title="Energy-aware pruning (Yang, Chen and Sze, CVPR 2017)",
    rename={"item": "name", "status/source": "source"},
)
PRUNING = Table(
    file="pruning_facts.csv", row=Fact, title="Pruning methods' headlines", rename={"method": "name", "fact": "value"}
)
