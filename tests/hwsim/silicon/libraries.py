"""The libraries that tests measure with, and the programs they need; absent, a test is skipped and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.silicon.tools import absent

SHARED = Path(__file__).resolve().parents[4] / "shared" / "liberty"
ASAP7 = "asap7_rvt_tt_merged.lib.gz"
SKY130 = "sky130hd_tt_025C_1v80.lib.gz"
SG13G2 = "sg13g2_stdcell_typ_1p20V_25C.lib.gz"


def library_file(name: str) -> Path:
    if not (SHARED / name).is_file():
        pytest.skip(f"no {SHARED / name}")
    return SHARED / name


def need(*programs: str) -> None:
    for program in programs:
        if (missing := absent(program)) is not None:
            pytest.skip(missing)
