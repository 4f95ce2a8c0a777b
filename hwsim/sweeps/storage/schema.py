"""The tables of a study, beside those of Optuna, in SQLite or whatever SQLAlchemy reaches.

Text columns hold JSON; a point's row and the study's together are all that it takes to compute it again.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

__all__ = ["FORMAT", "environments", "metadata", "points", "studies"]

FORMAT = 1
"""Of these tables. Raised with every change; see :mod:`hwsim.sweeps.storage.migrations`."""

metadata = MetaData()

studies = Table(
    "hwsim_studies",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("format", Integer, nullable=False),
    Column("hwsim_version", String(32), nullable=False),
    Column("specification", Text, nullable=False),
    Column("created", Float, nullable=False),
)

environments = Table(
    "hwsim_environments",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("versions", Text, nullable=False),
)

points = Table(
    "hwsim_points",
    metadata,
    Column("study", String(64), ForeignKey("hwsim_studies.name"), primary_key=True),
    Column("id", String(16), primary_key=True),
    Column("fidelity", String(16), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("assignment", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("metrics", Text),
    Column("layers", Text),
    Column("timings", Text),
    Column("worker", String(128)),
    Column("environment", String(16)),
    Column("finished", Float),
    # Who computes it, as long as the state is "running"; see hwsim.sweeps.storage.claims.
    Column("owner", String(128)),
    Column("lease", Float),
    Index("hwsim_points_by_state", "study", "fidelity", "state"),
)
