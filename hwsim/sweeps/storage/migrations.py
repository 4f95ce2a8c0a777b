"""Studies of other versions: brought up to date, or refused in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect, select, update

from hwsim.errors import InputError
from hwsim.sweeps.storage.connect import writing
from hwsim.sweeps.storage.schema import FORMAT, metadata, studies

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection, Engine

__all__ = ["MIGRATIONS", "prepare"]

MIGRATIONS: dict[int, Callable[[Connection], None]] = {}
"""By the format that each brings to the next."""


def prepare(engine: Engine, address: str) -> None:
    """Make the tables where they are missing, and bring those of an older format up to date.

    Raises:
        InputError: a format that this version does not know.

    """
    with writing(engine) as connection:
        if not inspect(connection).has_table(studies.name):
            metadata.create_all(connection)
            return
        for format_ in sorted(set(connection.execute(select(studies.c.format)).scalars())):
            _migrate(connection, format_, address)


def _migrate(connection: Connection, format_: int, address: str) -> None:
    if format_ > FORMAT or any(step not in MIGRATIONS for step in range(format_, FORMAT)):
        raise InputError(
            f"{address}: a study of format {format_}, made by another version of hwsim; this one has format {FORMAT}: "
            "use that version, or name another file with --study"
        )
    for step in range(format_, FORMAT):
        MIGRATIONS[step](connection)
    if format_ < FORMAT:
        connection.execute(update(studies).where(studies.c.format == format_).values(format=FORMAT))
