"""Another technology for a configuration, as the command line asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from hwsim.errors import InputError
from rtl.config import TechnologyConfig

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["with_technology"]


def with_technology(
    config: ArchConfig, *, table: str | None = None, dram: str | None = None, voltage_v: float | None = None
) -> ArchConfig:
    """``config`` with what is given here in place of its own. A new table starts without the old one's other settings.

    Raises:
        InputError: a value that cannot be.

    """
    if table is None and dram is None and voltage_v is None:
        return config
    settings = {} if table is not None and table != config.technology.table else config.technology.model_dump()
    given = {"table": table, "dram": dram, "voltage_v": voltage_v}
    settings |= {name: value for name, value in given.items() if value is not None}
    try:
        technology = TechnologyConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"technology.{first['loc'][0]}: {message} (got {first['input']!r})") from error
    return config.model_copy(update={"technology": technology})
