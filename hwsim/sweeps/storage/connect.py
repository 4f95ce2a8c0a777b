"""The database behind a study's address."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

__all__ = ["database_errors", "database_url", "engine_of", "writing"]

_WAIT_S = 120
"""How long a process waits for another that writes."""


def database_url(address: str) -> str:
    """SQLAlchemy's URL for ``address``: a URL, or the path of a SQLite file.

    Raises:
        InputError: a folder, or in one that does not exist.

    """
    if "://" in address:
        return address
    path = Path(address)
    if path.is_dir():
        raise InputError(f"{address}: is a folder, not a study's file")
    if not path.parent.is_dir():
        raise InputError(f"{address}: there is no folder {path.parent}")
    return f"sqlite:///{path}"


def engine_of(url: str) -> Engine:
    """An engine whose SQLite, if it is one, several processes can write to.

    Raises:
        InputError: no such database.

    """
    try:
        arguments: dict[str, Any] = {"connect_args": {"timeout": _WAIT_S}} if url.startswith("sqlite") else {}
        engine = create_engine(url, **arguments)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise InputError(f"{url}: not a database that SQLAlchemy can open here: {_line(error)}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    # SQLAlchemy begins transactions; sqlite3's own rule begins them at the first write, and loses what was read before.
    connection.isolation_level = None
    # Readers do not wait for writers; what is committed survives a kill of the process.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that may write from its beginning on: what it reads is still so when it writes."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        with contextlib.ExitStack() as stack:
            if engine.dialect.name != "sqlite":
                stack.enter_context(connection.begin())
                yield connection
                return
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")


@contextlib.contextmanager
def database_errors(url: str) -> Iterator[None]:
    """Say of a database that cannot be used which one it is, and why.

    Raises:
        InputError: it cannot.

    """
    try:
        yield
    except SQLAlchemyError as error:
        said = error.orig if isinstance(error, DBAPIError) else error
        raise InputError(f"{url.removeprefix('sqlite:///')}: not a study that can be used: {_line(said)}") from error


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200]
