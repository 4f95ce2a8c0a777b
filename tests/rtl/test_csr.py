"""The register map is one that hardware and drivers can live with."""

import pytest

from rtl import csr
from rtl.config import ArchConfig
from rtl.counters import COUNTERS
from rtl.isa import Engine

REGISTERS = list(csr.REGISTERS.values())


def test_no_two_registers_share_an_address():
    assert len({r.address for r in REGISTERS}) == len(REGISTERS)


def test_registers_are_words_in_order_inside_the_address_space():
    addresses = [r.address for r in REGISTERS]
    assert addresses == sorted(addresses)
    assert all(a % 4 == 0 and a + 4 <= 1 << csr.ADDRESS_BITS for a in addresses)


def test_every_counter_has_its_two_words_in_order():
    for index, counter in enumerate(COUNTERS):
        assert csr.REGISTERS[f"{counter.name}_lo"].address == csr.COUNTER_BASE + 8 * index
        assert csr.REGISTERS[f"{counter.name}_hi"].address == csr.COUNTER_BASE + 8 * index + 4


def test_every_engine_has_its_last_retire():
    for engine in Engine:
        assert csr.REGISTERS[f"last_retire_{engine.name.lower()}_lo"].address == csr.RETIRE_BASE + 8 * engine


@pytest.mark.parametrize("register", [r for r in REGISTERS if r.fields], ids=lambda r: r.name)
def test_fields_fit_and_do_not_overlap(register):
    seen = 0
    for field in register.fields:
        assert field.mask < 1 << 32
        assert not field.mask & seen
        seen |= field.mask


@pytest.mark.parametrize("register", [r for r in REGISTERS if r.fields], ids=lambda r: r.name)
def test_pack_and_unpack_are_inverse(register):
    values = {f.name: (0xA5A5_A5A5 & f.mask) >> f.offset for f in register.fields}
    assert register.unpack(register.pack(**values)) == values


def test_everything_says_what_it_means():
    assert all(r.meaning and all(f.meaning for f in r.fields) for r in REGISTERS)


def test_a_value_that_does_not_fit():
    with pytest.raises(ValueError, match=r"^fault\.code is 4 bits wide; 16 does not fit$"):
        csr.REGISTERS["fault"].pack(code=16)


def test_a_field_that_is_not_there():
    with pytest.raises(ValueError, match=r"^control has no field 'stop'; known: start, clear$"):
        csr.REGISTERS["control"].pack(stop=1)


def test_constants_are_the_configuration_s():
    small, large = (csr.constants(ArchConfig(control={"max_layers": n})) for n in (3, 1024))
    assert small["id"] == large["id"] == 0x4857534D
    assert csr.REGISTERS["size"].unpack(large["size"]) == {"layers": 1024, "counters": len(COUNTERS)}
    assert (small["config_hash_lo"], small["config_hash_hi"]) != (large["config_hash_lo"], large["config_hash_hi"])
    assert set(small) == {r.name for r in REGISTERS if r.access == "constant"}
