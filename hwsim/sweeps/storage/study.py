"""A study's points: claimed, finished, read."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import and_, delete, insert, select, update

from hwsim import __version__
from hwsim.errors import InputError
from hwsim.sweeps.storage.connect import database_errors, database_url, engine_of, writing
from hwsim.sweeps.storage.migrations import prepare
from hwsim.sweeps.storage.schema import FORMAT, environments, points, studies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from hwsim.sweeps.evaluation.outcome import Outcome, PointTask
    from hwsim.sweeps.space.grid import Assignment
    from hwsim.sweeps.specification.specification import Specification

__all__ = ["LEASE_S", "StoredPoint", "Study", "stored_points"]

LEASE_S = 60.0
"""A claim that was not renewed for so long is void: its owner is gone, on whatever machine it was."""

_FINISHED = ("done", "failed", "excluded")
_CHUNK = 500
"""Points in a condition; databases limit its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPoint:
    """A point that is finished at one fidelity."""

    id: str
    fidelity: str
    state: str
    assignment: Assignment
    reason: str
    metrics: dict[str, float]
    timings: dict[str, float]
    worker: str
    environment: str
    """Of :meth:`Study.environments`."""


class Study:
    """One sweep's points in a database.

    Several processes, on several machines, may have the same study open. A point is computed by whoever claims it; the
    claim is void when its owner is seen to be dead or has not renewed it.

    Raises:
        InputError: the database cannot be used; or holds a study of that name that is not this sweep, is of another
            version, or exists although ``resume`` is not given.

    """

    def __init__(self, address: str, specification: Specification, *, resume: bool) -> None:
        self.address = address
        self.url = database_url(address)
        self.engine = engine_of(self.url)
        self.name = specification.file.name
        self.specification = specification.to_json()
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"
        with database_errors(self.url):
            prepare(self.engine, address)
            with writing(self.engine) as connection:
                self._enter(connection, resume=resume)

    def _enter(self, connection: Connection, *, resume: bool) -> None:
        found = connection.execute(select(studies).where(studies.c.name == self.name)).one_or_none()
        if found is None:
            row = {"name": self.name, "format": FORMAT, "hwsim_version": __version__}
            connection.execute(insert(studies), row | {"specification": self.specification, "created": time.time()})
            return
        if not resume:
            raise InputError(
                f"{self.address}: has a study {self.name!r} already; --resume goes on with it, --study names another"
            )
        if found.hwsim_version != __version__:
            raise InputError(
                f"{self.address}: the study {self.name!r} was made by hwsim {found.hwsim_version}, whose figures "
                f"{__version__}'s may not be comparable with; name another file with --study"
            )
        if found.specification != self.specification:
            apart = _difference(found.specification, self.specification)
            raise InputError(
                f"{self.address}: the study {self.name!r} is of another sweep ({apart}); name another file with "
                "--study, or change the sweep's name"
            )

    def claim(self, tasks: Sequence[PointTask], fidelity: str) -> list[PointTask]:
        """Those of ``tasks`` that nobody has finished or is at; they are this process's now."""
        now = time.time()
        with database_errors(self.url), writing(self.engine) as connection:
            found = self._found(connection, [task.id for task in tasks], fidelity, now)
            free = [task for task in tasks if not found.get(task.id)]
            if free:
                self._drop(connection, list(found.keys() & {task.id for task in free}), fidelity)
                connection.execute(insert(points), [self._claimed(task, fidelity, now) for task in free])
        return free

    def _found(self, connection: Connection, ids: list[str], fidelity: str, now: float) -> dict[str, bool]:
        """Those that have a row: True if they are finished, or claimed by somebody who is alive."""
        found = {}
        columns = select(points.c.id, points.c.state, points.c.owner, points.c.lease)
        for chunk in _chunks(ids):
            where = and_(points.c.study == self.name, points.c.fidelity == fidelity, points.c.id.in_(chunk))
            for row in connection.execute(columns.where(where)):
                others = row.owner != self.owner
                found[row.id] = row.state in _FINISHED or (others and _alive(row.owner, row.lease, now))
        return found

    def _claimed(self, task: PointTask, fidelity: str, now: float) -> dict[str, Any]:
        return {
            "study": self.name,
            "id": task.id,
            "fidelity": fidelity,
            "state": "running",
            "assignment": json.dumps(task.assignment),
            "owner": self.owner,
            "lease": now + LEASE_S,
        }

    def _drop(self, connection: Connection, ids: list[str], fidelity: str) -> None:
        for chunk in _chunks(ids):
            where = and_(points.c.study == self.name, points.c.fidelity == fidelity, points.c.id.in_(chunk))
            connection.execute(delete(points).where(where))

    def renew(self) -> None:
        """Keep this process's claims for another :data:`LEASE_S`."""
        mine = and_(points.c.study == self.name, points.c.state == "running", points.c.owner == self.owner)
        with database_errors(self.url), writing(self.engine) as connection:
            connection.execute(update(points).where(mine).values(lease=time.time() + LEASE_S))

    def release(self) -> None:
        """Give up this process's claims: what it has not finished is free."""
        mine = and_(points.c.study == self.name, points.c.state == "running", points.c.owner == self.owner)
        with database_errors(self.url), writing(self.engine) as connection:
            connection.execute(delete(points).where(mine))

    def release_points(self, ids: Sequence[str], fidelity: str) -> None:
        """Give up the claims of some points."""
        with database_errors(self.url), writing(self.engine) as connection:
            self._drop(connection, list(ids), fidelity)

    def open_points(self, ids: Sequence[str], fidelity: str) -> dict[str, Literal["running", "free", "finished"]]:
        """Where points are that have a row: somebody is at them, nobody is any more, or they are finished."""
        now = time.time()
        found: dict[str, Literal["running", "free", "finished"]] = {}
        columns = select(points.c.id, points.c.state, points.c.owner, points.c.lease)
        with database_errors(self.url), self.engine.connect() as connection:
            for chunk in _chunks(list(ids)):
                where = and_(points.c.study == self.name, points.c.fidelity == fidelity, points.c.id.in_(chunk))
                for row in connection.execute(columns.where(where)):
                    if row.state in _FINISHED:
                        found[row.id] = "finished"
                    else:
                        found[row.id] = "running" if _alive(row.owner, row.lease, now) else "free"
        return found

    def finish(self, outcomes: Sequence[Outcome], assignments: dict[str, Assignment]) -> None:
        """Record what became of claimed points. One that somebody else finished meanwhile stays as it is."""
        if not outcomes:
            return
        now = time.time()
        fidelity = outcomes[0].fidelity
        with database_errors(self.url), writing(self.engine) as connection:
            self._know_environments(connection, {outcome.environment for outcome in outcomes})
            ids = [outcome.id for outcome in outcomes]
            finished = self._finished(connection, ids, fidelity)
            new = [outcome for outcome in outcomes if outcome.id not in finished]
            self._drop(connection, [outcome.id for outcome in new], fidelity)
            if new:
                connection.execute(insert(points), [self._row(o, assignments[o.id], now) for o in new])

    def _finished(self, connection: Connection, ids: list[str], fidelity: str) -> set[str]:
        found = set()
        for chunk in _chunks(ids):
            where = and_(
                points.c.study == self.name,
                points.c.fidelity == fidelity,
                points.c.id.in_(chunk),
                points.c.state.in_(_FINISHED),
            )
            found.update(connection.execute(select(points.c.id).where(where)).scalars())
        return found

    def _row(self, outcome: Outcome, assignment: Assignment, now: float) -> dict[str, Any]:
        return {
            "study": self.name,
            "id": outcome.id,
            "fidelity": outcome.fidelity,
            "state": outcome.state,
            "assignment": json.dumps(assignment),
            "reason": outcome.reason,
            "metrics": json.dumps(outcome.metrics),
            "layers": json.dumps(outcome.layers) if outcome.layers is not None else None,
            "timings": json.dumps(outcome.timings),
            "worker": outcome.worker,
            "environment": _environment_id(outcome.environment),
            "finished": now,
        }

    def _know_environments(self, connection: Connection, versions: set[str]) -> None:
        known = set(connection.execute(select(environments.c.id)).scalars())
        new = {_environment_id(text): text for text in versions if _environment_id(text) not in known}
        if new:
            connection.execute(insert(environments), [{"id": key, "versions": text} for key, text in new.items()])

    def points(self, fidelity: str) -> list[StoredPoint]:
        """All that is finished at ``fidelity``, by id."""
        where = and_(points.c.study == self.name, points.c.fidelity == fidelity)
        with database_errors(self.url), self.engine.connect() as connection:
            return _stored(connection, where)

    def layers(self, ids: Sequence[str], fidelity: str) -> dict[str, list[dict[str, Any]]]:
        """Figures by layer of the points among ``ids`` that have them."""
        found: dict[str, list[dict[str, Any]]] = {}
        with database_errors(self.url), self.engine.connect() as connection:
            for chunk in _chunks(list(ids)):
                where = and_(points.c.study == self.name, points.c.fidelity == fidelity, points.c.id.in_(chunk))
                for row in connection.execute(select(points.c.id, points.c.layers).where(where)):
                    if row.layers is not None:
                        found[row.id] = json.loads(row.layers)
        return found

    def environments(self) -> dict[str, dict[str, str]]:
        """Versions by the id that points have."""
        with database_errors(self.url), self.engine.connect() as connection:
            return {row.id: json.loads(row.versions) for row in connection.execute(select(environments))}

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()


def stored_points(address: str, name: str, prefix: str, fidelity: str) -> list[StoredPoint]:
    """What the study ``name`` at ``address`` holds of points whose id begins with ``prefix``; nothing without a study.

    Raises:
        InputError: the database cannot be used.

    """
    if "://" not in address and not Path(address).exists():
        return []
    url = database_url(address)
    engine = engine_of(url)
    try:
        with database_errors(url):
            prepare(engine, address)
            where = and_(points.c.study == name, points.c.fidelity == fidelity, points.c.id.startswith(prefix))
            with engine.connect() as connection:
                return _stored(connection, where)
    finally:
        engine.dispose()


def _stored(connection: Connection, where: ColumnElement[bool]) -> list[StoredPoint]:
    """Finished points, by id."""
    names = ("id", "fidelity", "state", "assignment", "reason", "metrics", "timings", "worker", "environment")
    chosen = and_(where, points.c.state.in_(_FINISHED))
    rows = connection.execute(select(*(points.c[name] for name in names)).where(chosen).order_by(points.c.id))
    return [
        StoredPoint(
            id=row.id,
            fidelity=row.fidelity,
            state=row.state,
            assignment=json.loads(row.assignment),
            reason=row.reason,
            metrics=json.loads(row.metrics),
            timings=json.loads(row.timings),
            worker=row.worker,
            environment=row.environment,
        )
        for row in rows
    ]


def _environment_id(versions: str) -> str:
    return hashlib.sha256(versions.encode()).hexdigest()[:16]


def _chunks(ids: list[str]) -> list[list[str]]:
    return [ids[k : k + _CHUNK] for k in range(0, len(ids), _CHUNK)]


def _alive(owner: str, lease: float, now: float) -> bool:
    """Whether a claim's owner may still be at it. One on this machine is looked for; one elsewhere has its lease."""
    machine, pid, started = owner.rsplit(":", 2)
    # Where the system does not say when a process was started, the lease has to do.
    if machine == socket.gethostname() and started:
        return _started(int(pid)) == started
    return lease >= now


def _started(pid: int) -> str:
    """When a process was started, in clock ticks since boot; empty if there is none. Tells it from a namesake."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def _difference(before: str, now: str) -> str:
    """The first setting that two specifications differ in."""
    old, new = json.loads(before), json.loads(now)
    for part in ("file", "recipe", "models", "arches"):
        if old[part] == new[part]:
            continue
        if isinstance(old[part], dict) and isinstance(new[part], dict):
            names = [n for n in {**old[part], **new[part]} if old[part].get(n) != new[part].get(n)]
            return f"{names[0]} differs"
        return f"{part} differs"
    return "another order"
