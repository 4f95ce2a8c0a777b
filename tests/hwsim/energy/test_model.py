"""Energy is events times their weights, and cycles times clock and leakage; in the technology that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.energy.model import EnergyModel
from hwsim.energy.options import with_technology
from hwsim.energy.prices import COMPONENTS
from hwsim.energy.table import drams, load_table
from hwsim.errors import InputError
from rtl.config import ArchConfig, BusConfig, MemoryConfig, TechnologyConfig, load_arch
from rtl.counters import COUNTERS

BASE = load_arch("dense-16x16")
INDEX = {counter.name: index for index, counter in enumerate(COUNTERS)}
NONE = np.zeros(len(COUNTERS), np.int64)


def model(config: ArchConfig = BASE, **technology: object) -> EnergyModel:
    return EnergyModel(with_technology(config, **technology))  # type: ignore[arg-type]


def parts(priced: np.ndarray) -> dict[str, float]:
    return dict(zip(COMPONENTS, priced.tolist(), strict=True))


def only(counter: str, count: int = 1) -> np.ndarray:
    counts = NONE.copy()
    counts[INDEX[counter]] = count
    return counts


def test_a_mac_of_horowitz_is_a_multiplication_and_an_addition_to_a_partial_sum() -> None:
    priced = parts(model().price(only("macs", 1000), np.int64(0)))
    assert priced["mac"] == pytest.approx(1000 * (0.2 + load_table("horowitz-45nm").add(20)))
    assert sum(priced.values()) == priced["mac"]


def test_an_eight_bit_mac_of_eyeriss_is_a_quarter_of_a_sixteen_bit_one() -> None:
    assert parts(model(table="eyeriss-65nm-normalised").price(only("macs"), np.int64(0)))["mac"] == pytest.approx(1 / 4)


@pytest.mark.parametrize(("kind", "pj_per_bit"), [("lpddr4", 8), ("ddr4", 1300 / 64), ("hbm2", 350 / 64)])
@pytest.mark.parametrize("counter", ["dram_read_beats", "dram_write_beats"])
def test_a_beat_costs_all_its_bytes(kind: str, pj_per_bit: float, counter: str) -> None:
    wide = BASE.model_copy(update={"bus": BusConfig(data_bytes=32)})
    priced = parts(model(wide, dram=kind).price(only(counter), np.int64(0)))
    assert priced["dram"] == pytest.approx(32 * 8 * pj_per_bit)


def test_a_byte_of_a_scratchpad_costs_by_the_size_of_its_bank() -> None:
    # 128 KiB in 16 banks: Horowitz' 8 KiB and 64 bits, at the width of a byte.
    sram = load_table("horowitz-45nm").sram
    priced = parts(model().price(only("ifm_read_bytes"), np.int64(0)))
    assert priced["sram"] == pytest.approx(sram.read(8) * (0.3 + 0.7 / 8))
    assert sram.read(8) == pytest.approx(10, rel=0.045)


def test_a_write_goes_to_every_copy_that_a_read_port_is() -> None:
    weights = dict(zip(INDEX, model().event_weights(), strict=True))
    assert weights["ifm_write_bytes"] == pytest.approx(2 * weights["ifm_read_bytes"])
    assert weights["ofm_write_bytes"] == pytest.approx(3 * weights["ofm_read_bytes"])


def test_a_larger_scratchpad_costs_more_to_read_and_leaks_more() -> None:
    small = BASE.model_copy(update={"memory": MemoryConfig(ifm_kib=8)})
    large = BASE.model_copy(update={"memory": MemoryConfig(ifm_kib=1024)})
    read = only("ifm_read_bytes")
    assert parts(model(small).price(read, np.int64(0)))["sram"] < parts(model(large).price(read, np.int64(0)))["sram"]
    assert model(small).leakage_mw().sram < model(large).leakage_mw().sram


def test_cycles_cost_clock_and_leakage_and_nothing_else() -> None:
    priced = parts(model().price(NONE, np.int64(7)))
    assert {name for name, pj in priced.items() if pj} == {"register", "leakage"}
    assert sum(priced.values()) == pytest.approx(7 * model().cycle_weight())


def test_leakage_of_a_cycle_is_power_over_frequency() -> None:
    static = model().leakage_mw()
    per_second_mj = parts(model().price(NONE, np.int64(BASE.clock_mhz * 1e6)))["leakage"] * 1e-9
    assert per_second_mj == pytest.approx(static.sram + static.logic)


def test_half_the_clock_is_twice_the_leakage_of_a_cycle() -> None:
    slow = BASE.model_copy(update={"clock_mhz": BASE.clock_mhz / 2})
    fast_pj, slow_pj = (parts(model(c).price(NONE, np.int64(1))) for c in (BASE, slow))
    assert slow_pj["leakage"] == pytest.approx(2 * fast_pj["leakage"])
    assert slow_pj["register"] == fast_pj["register"]


@pytest.mark.parametrize("table", ["horowitz-45nm", "tpuv4i-7nm", "eyeriss-65nm-normalised"])
def test_many_layers_are_priced_as_one_by_one(table: str) -> None:
    rng = np.random.default_rng(1)
    counters = rng.integers(0, 1 << 30, (5, 3, len(COUNTERS)))
    cycles = rng.integers(0, 1 << 30, (5, 3))
    priced = model(table=table).price(counters, cycles)
    assert priced.shape == (5, 3, len(COMPONENTS))
    for at in np.ndindex(5, 3):
        np.testing.assert_allclose(priced[at], model(table=table).price(counters[at], cycles[at]), rtol=1e-12)
    weighed = counters @ model(table=table).event_weights() + cycles * model(table=table).cycle_weight()
    np.testing.assert_allclose(priced.sum(axis=-1), weighed, rtol=1e-12)


def test_layers_come_back_by_component() -> None:
    first, second = model().energy(np.stack([only("macs", 10), only("dram_read_beats", 3)]), np.array([0, 0]))
    assert first.mac == first.total > 0
    assert second.dram == second.total == pytest.approx(3 * 128 * drams()["ddr4"].pj_per_bit)


def test_voltage_scales_energy_by_its_square_and_the_clock_by_the_alpha_power_law() -> None:
    nominal, low = model(), model(voltage_v=0.8)
    ratio = 0.8 / 0.9
    assert low.price(only("macs"), np.int64(0)).sum() == pytest.approx(
        nominal.price(only("macs"), np.int64(0)).sum() * ratio**2
    )
    drive = [(volts - 0.46893) / volts for volts in (0.8, 0.9)]
    assert low.clock_mhz == pytest.approx(BASE.clock_mhz * drive[0] / drive[1])
    assert low.clock_mhz < nominal.clock_mhz == BASE.clock_mhz
    assert low.leakage_mw().sram == pytest.approx(nominal.leakage_mw().sram * ratio)


def test_dram_has_a_supply_of_its_own() -> None:
    beat = only("dram_read_beats")
    np.testing.assert_array_equal(model(voltage_v=0.8).price(beat, np.int64(0)), model().price(beat, np.int64(0)))


def test_the_tables_own_voltage_changes_nothing() -> None:
    np.testing.assert_allclose(model(voltage_v=0.9).event_weights(), model().event_weights(), rtol=1e-12)
    assert model(voltage_v=0.9).clock_mhz == pytest.approx(BASE.clock_mhz)


def test_area_is_that_of_the_memories_the_arithmetic_and_the_registers() -> None:
    area, small = model().area_mm2(), model(load_arch("dense-8x8")).area_mm2()
    assert area is not None
    assert small is not None
    assert (small.mac, small.register, small.sram) < (area.mac, area.register, area.sram)
    assert area.total == pytest.approx(area.mac + area.register + area.sram)
    # A byte of CACTI's 45 nm memories takes about 4.2 um2; there are 712 KiB with all copies, and 64 of accumulators.
    assert area.sram == pytest.approx((712 + 64) * 1024 * 4.2e-6, rel=0.1)
    assert model(table="eyeriss-65nm-normalised").area_mm2() is None


def test_technology_says_what_the_figures_are_of() -> None:
    assert model().technology.dram == "ddr4"
    assert model(table="tpuv4i-7nm").technology.dram == "hbm2"
    assert model(table="tpuv4i-7nm", dram="lpddr4").technology.dram == "lpddr4"
    assert model(voltage_v=0.8).technology.voltage_v == 0.8
    assert model(table="eyeriss-65nm-normalised").technology.energy_unit == "MAC"


@pytest.mark.parametrize(
    ("technology", "message"),
    [
        pytest.param({"table": "horowitz-45mn"},
                     r"^technology 'horowitz-45mn': no such table; did you mean horowitz-45nm\?$", id="table misspelt"),
        pytest.param({"table": "x"}, r"^technology 'x': no such table; known: .*tpuv4i-7nm$", id="table unknown"),
        pytest.param({"table": "../x"}, r"^technology\.table: string should match pattern", id="table a path"),
        pytest.param({"dram": "ddr9"}, r"^technology\.dram: input should be 'lpddr4', 'ddr4' or 'hbm2' \(got 'ddr9'\)$",
                     id="dram unknown"),
        pytest.param({"voltage_v": -1.0}, r"^technology\.voltage_v: input should be greater than 0", id="negative"),
        pytest.param({"voltage_v": float("nan")}, r"^technology\.voltage_v: ", id="voltage not a number"),
        pytest.param({"voltage_v": 0.5}, r"^voltage 0\.5 V: horowitz-45nm scales from 0\.57 to 1\.80 V$", id="low"),
        pytest.param({"voltage_v": 3.0}, r"scales from 0\.57 to 1\.80 V$", id="voltage high"),
        pytest.param({"table": "tpuv4i-7nm", "voltage_v": 0.7}, r"give no voltage to scale from$", id="no voltage"),
        pytest.param({"table": "eyeriss-65nm-normalised", "dram": "hbm2"}, r"it has a DRAM of its own$", id="no pJ"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(technology: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        model(**technology)


def test_a_new_table_starts_without_the_old_ones_settings() -> None:
    config = BASE.model_copy(update={"technology": TechnologyConfig(dram="ddr4", voltage_v=0.8)})
    assert with_technology(config, table="tpuv4i-7nm").technology == TechnologyConfig(table="tpuv4i-7nm")
    assert with_technology(config, dram="hbm2").technology == TechnologyConfig(dram="hbm2", voltage_v=0.8)
    assert with_technology(config) is config


def test_technology_is_no_part_of_the_rtl() -> None:
    other = with_technology(BASE, table="tpuv4i-7nm", dram="lpddr4")
    assert other.rtl_hash == ArchConfig.model_validate(other.model_dump()).rtl_hash == BASE.rtl_hash
    assert other != BASE
    assert hash(other) != hash(BASE)
