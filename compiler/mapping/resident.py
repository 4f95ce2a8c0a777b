"""Tensors that stay on the chip between the layer that writes them and the layers that read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.mapping.memory import Block
from compiler.mapping.tiling import input_pitch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.mapping.job import Job

__all__ = ["Margin", "Resident", "margin_for"]


@dataclass(frozen=True, slots=True)
class Margin:
    """Padding that the readers of a tensor want around it, and the row pitch that suits them."""

    top: int
    left: int
    bottom: int
    right: int
    fill: int
    natural_run: int


@dataclass(frozen=True, slots=True)
class Resident:
    """A tensor in OFM with its margin of padding."""

    block: Block
    shape: tuple[int, int, int]
    margin: Margin
    pitch: int
    """Bytes from one row to the next."""

    @property
    def origin(self) -> int:
        """Byte of pixel (0, 0)."""
        return self.block.start + self.margin.top * self.pitch + self.margin.left * self.shape[2]

    @staticmethod
    def footprint(shape: tuple[int, int, int], margin: Margin, banks: int) -> tuple[int, int]:
        """Pitch and bytes of a tensor with its margin."""
        width = shape[1] + margin.left + margin.right
        pitch = input_pitch(width, shape[2], margin.natural_run, banks)
        return pitch, pitch * (shape[0] + margin.top + margin.bottom)

    def fills(self) -> list[tuple[int, int, int]]:
        """The margin as (first byte, rows, bytes per row); rows are a pitch apart."""
        m, (height, width, channels) = self.margin, self.shape
        inner = self.block.start + m.top * self.pitch
        areas = [
            (self.block.start, 1, m.top * self.pitch),
            (inner + height * self.pitch, 1, m.bottom * self.pitch),
            (inner, height, m.left * channels),
            (inner + (m.left + width) * channels, height, m.right * channels),
        ]
        return [area for area in areas if area[2]]


def margin_for(readers: Sequence[Job], rows: int) -> Margin | None:
    """A margin for all ``readers`` of a tensor, on an array of ``rows`` rows; None if their paddings differ."""
    fills = set()
    top = left = bottom = right = 0
    natural_run = 0
    for job in readers:
        if job.hold:
            continue
        pads = _pads(job)
        if any(pads):
            fills.add(job.fill)
        top, left = max(top, pads[0]), max(left, pads[1])
        bottom, right = max(bottom, pads[2]), max(right, pads[3])
        if not natural_run and job.kernel[0] > 1 and job.natural_run % rows:
            natural_run = job.natural_run
    if len(fills) > 1:
        return None
    return Margin(top, left, bottom, right, fills.pop() if fills else 0, natural_run)


def _pads(job: Job) -> tuple[int, int, int, int]:
    """Rows and columns outside the input that the job reads: top, left, bottom, right."""
    (height, width, _), (out_h, out_w, _) = job.in_shape, job.out_shape
    bottom = (out_h - 1) * job.strides[0] + job.kernel[0] - job.pads[0] - height
    right = (out_w - 1) * job.strides[1] + job.kernel[1] - job.pads[1] - width
    return job.pads[0], job.pads[1], max(0, bottom), max(0, right)
