"""The shares of a design's cells: every module is in one group at most, with what is inside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.bench.area import _GROUPS, PRESETS, _share
from hwsim.silicon.netlist.hierarchy import Part
from hwsim.silicon.synthesis.area import Area
from rtl.config import preset_names


def _part(module: str, own: float, instances: int = 1, total: float = 0.0) -> Part:
    return Part(module=module, instances=instances, own_um2=own, total_um2=total, flip_flop_um2=0.0, cells=1)


def test_a_name_is_of_a_group_up_to_a_dot_and_instances_count() -> None:
    parts = (
        _part("accelerator", 10, total=100),
        _part("column", 5, instances=8),
        _part("lane", 5, instances=2),
        _part("lane.arithmetic", 15, instances=2),
        _part("accelerator.load", 6),
        _part("accelerator.loader", 4),
    )
    area = Area(
        top="accelerator",
        library="",
        parts=parts,
        macros=(),
        path=None,
        logic_ps=0,
        gate_um2=None,
        notes=(),
        folder=Path(),
    )
    shares = {what: _share(area, modules) for what, modules in _GROUPS}
    assert shares["array or PEs"] == pytest.approx(0.4)
    assert shares["lanes: requantisation"] == pytest.approx(0.4)
    assert shares["DMA"] == pytest.approx(0.06), "not what begins with the same letters"
    assert sum(shares.values()) == pytest.approx(0.86)


def test_what_is_measured_are_presets() -> None:
    assert set(PRESETS) <= set(preset_names())
