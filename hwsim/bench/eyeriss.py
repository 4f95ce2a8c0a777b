"""Eyeriss' measurements of AlexNet and VGG-16, layer by layer, beside our model of an array of its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import hwsim
from hwsim.bench.page import table
from workloads.reference.accelerators import EYERISS_ALEXNET, EYERISS_VGG16, EyerissLayer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hwsim.results import LayerEstimate
    from workloads.reference.table import Table

__all__ = ["ARCH", "EyerissRow", "compare", "lines"]

ARCH = "eyeriss-like"
_CHIP_MHZ = 200
_MB = 1e6
# Of a 16-bit chip, in 16-bit words; ours are bytes.
_BYTES_PER_WORD = 2
_RUNS: tuple[tuple[str, Table[EyerissLayer], int], ...] = (
    ("eyeriss-alexnet", EYERISS_ALEXNET, 4),
    ("eyeriss-vgg16", EYERISS_VGG16, 3),
)
"""Workload, its table, and the batch that the table is of."""

_REASONS = """\
Why they differ:

- **MACs** are equal: the same layers. Eyeriss' columns are of a batch (4 and 3 images), ours are of one image times
  the batch: the chip loads a filter once for the batch, we load it once for each image.
- **Of peak** is MACs over what 168 PEs make in the time. By the chip's table 80 to 100 % of its PEs have work in a
  pass, yet it reaches 20 % in VGG's early layers (large images, few channels to sum in a pass): the rest is between
  passes and in waiting for the buffer. Ours loads beside the array's work, and loses the last tile of filters (a
  group of 128 leaves 12 of 14 columns idle in its tenth tile) and of the window; where it falls below the chip, DRAM
  binds it.
- **DRAM traffic** is in words, of 16 bits there and of 8 here, so that reuse is compared and not formats. Eyeriss
  compresses activations by run length (inputs of the late layers are 60 to 90 % zeros) and has batch and 75 kB of
  filters in its PEs to spread a filter over; we read a layer's weights again for every tile of pixels that the
  accumulators hold, which in the late layers binds us. This, and nothing in the array, is why CONV3 to CONV5 take
  longer than on the chip.
- **Buffer traffic**, again in words, is the global buffer's there, and that of IFM, OFM and weight memory here. Row
  stationary reuses operands inside a PE; a weight-stationary array reads an activation again for every tile of
  filters. In VGG's early layers the chip's partial sums go through the buffer, ours stay in accumulators, which are
  not in this figure.
- **Energy** of the chip is power x total latency, in pJ; ours is in multiples of a MAC, since that is what the 65 nm
  table is in, and has no DRAM in it, as the chip's has none. Compare how it goes from layer to layer: the chip gates
  its multipliers where an input is zero (0 % of CONV1's, 80 % of the last ones'), ours does not. Eyeriss' ALUs take
  less than 10 % of its power, ours {mac_share:.0%}: the table charges a hop from PE to PE twice a register access,
  and all PEs hop in every cycle.
"""
_PES = 168


@dataclass(frozen=True, slots=True, kw_only=True)
class EyerissRow:
    """A layer on the chip and on ours, both for the chip's batch."""

    theirs: EyerissLayer
    ours: LayerEstimate
    batch: int
    clock_mhz: float

    @property
    def macs_g(self) -> float:
        """Ours, in 10^9."""
        return self.batch * self.ours.macs / 1e9

    @property
    def latency_ms(self) -> float:
        """Ours."""
        return self.batch * self.ours.cycles / self.clock_mhz / 1e3

    @property
    def their_utilisation(self) -> float:
        """MACs over what all PEs could make in the processing time; 0..1."""
        return self.theirs.macs_g * 1e9 / (_PES * _CHIP_MHZ * 1e3 * self.theirs.processing_latency_ms)

    @property
    def their_pj_per_mac(self) -> float:
        """The chip's energy, DRAM apart."""
        return self.theirs.power_mw * self.theirs.total_latency_ms / self.theirs.macs_g / 1e3

    @property
    def on_chip_macs(self) -> float:
        """Our energy a MAC, DRAM apart, in multiples of a 16-bit MAC's."""
        energy = self.ours.energy_pj
        return (energy.total - energy.dram) / self.ours.macs if energy is not None else 0.0

    @property
    def dram_mwords(self) -> tuple[float, float]:
        """Theirs and ours, both ways together, in 10^6 words."""
        ours = self.batch * (self.ours.dram_read_bytes + self.ours.dram_write_bytes) / _MB
        return self.theirs.dram_access_mb / _BYTES_PER_WORD, ours

    @property
    def buffer_mwords(self) -> tuple[float, float]:
        """Theirs and ours, in 10^6 words: their global buffer, our scratchpads."""
        levels = self.ours.bandwidth.levels if self.ours.bandwidth is not None else {}
        ours = sum(levels[name].read + levels[name].write for name in ("ifm", "ofm", "weight"))
        return self.theirs.buffer_access_mb / _BYTES_PER_WORD, self.batch * ours / _MB


def compare(workload: str, published: Table[EyerissLayer], batch: int) -> list[EyerissRow]:
    """The published layers of a network beside ours of the same names; the total apart."""
    result = hwsim.estimate(workload, ARCH)
    layers = {layer.name: layer for layer in result.layers}
    return [
        EyerissRow(theirs=row, ours=layers[row.layer], batch=batch, clock_mhz=result.clock_mhz)
        for row in published.rows()
        if row.layer in layers
    ]


def lines() -> Iterator[str]:
    """The section."""
    yield (
        f"Tables V and VI of the JSSC paper (`workloads/reference/eyeriss_*.csv`), and the preset `{ARCH}`: 12 x 14 "
        f"PEs, {_CHIP_MHZ} MHz, as much SRAM and bandwidth, int8, weight stationary, by the cycle model."
    )
    chip = arithmetic = 0.0
    for workload, published, batch in _RUNS:
        rows = compare(workload, published, batch)
        yield ""
        yield f"**{published.title}**"
        yield ""
        yield from table(
            ("layer", "MACs, G", "ours", "processing ms", "ours", "of peak", "ours", "DRAM M words", "ours",
             "buffer M words", "ours", "pJ a MAC", "ours, MACs", "ours bound by"),
            [_row(row) for row in rows],
        )  # fmt: skip
        chip += sum(row.on_chip_macs * row.ours.macs for row in rows)
        arithmetic += sum(row.ours.energy_pj.mac for row in rows if row.ours.energy_pj is not None)
    yield ""
    yield from _REASONS.format(mac_share=arithmetic / chip).splitlines()


def _row(row: EyerissRow) -> tuple[str, ...]:
    dram, buffer = row.dram_mwords, row.buffer_mwords
    return (
        row.theirs.layer,
        f"{row.theirs.macs_g:.2f}",
        f"{row.macs_g:.2f}",
        f"{row.theirs.processing_latency_ms:,.1f}",
        f"{row.latency_ms:,.1f}",
        f"{row.their_utilisation:.0%}",
        f"{row.ours.utilization:.0%}",
        f"{dram[0]:,.1f}",
        f"{dram[1]:,.1f}",
        f"{buffer[0]:,.1f}",
        f"{buffer[1]:,.1f}",
        f"{row.their_pj_per_mac:.1f}",
        f"{row.on_chip_macs:.1f}",
        row.ours.bound.replace("_", " "),
    )
