"""Our tables in the service's database; all names begin with `workerkit_`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()
_serial = BigInteger().with_variant(Integer, "sqlite")

inbox = Table(
    "workerkit_inbox",
    metadata,
    Column("consumer", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
"""What a consumer has settled: `state` (applied, parked or dead) since `at` in epoch seconds,
after so many failed `attempts`.
"""

fences = Table(
    "workerkit_fences",
    metadata,
    Column("consumer", String, primary_key=True),
    Column("token", BigInteger, nullable=False),
)
"""The largest fencing token under which a consumer with `order = "strict"` has written."""

outbox = Table(
    "workerkit_outbox",
    metadata,
    Column("id", _serial, primary_key=True, autoincrement=True),
    Column("messages", LargeBinary, nullable=False),
    Column("due", Float, nullable=False, index=True),
)
"""Follow-ups of one batch each, packed; a relay takes rows that are past `due`."""

parked = Table(
    "workerkit_parked",
    metadata,
    Column("consumer", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("topic", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("traceback", Text, nullable=False),
    Column("due", Float, nullable=False),
    Column("dead", Integer, nullable=False),
    Column("published", Float, nullable=False),
    Column("at", Float, nullable=False),
    Index("workerkit_parked_due", "consumer", "dead", "due"),
)
"""Events that wait for their next attempt, and dead letters."""

starts = Table(
    "workerkit_starts",
    metadata,
    Column("consumer", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("count", Integer, nullable=False),
)
"""How often a suspected killer was started alone; the row goes when it is settled."""

jobs = Table(
    "workerkit_jobs",
    metadata,
    Column("job", String, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("last_tick", Float),
    Column("last_success", Float),
    Column("paused_at", Float),
    Column("paused_by", String),
)
"""What is kept of a job beside its runs; who locks its row has its ticks to himself.

`token` is the latest run's; `last_tick` the latest scheduled one with a row.
"""

runs = Table(
    "workerkit_runs",
    metadata,
    Column("job", String, primary_key=True),
    Column("tick", Float, primary_key=True),
    Column("state", String, nullable=False),
    Column("trigger", String, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("holder", String, nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("traceback", Text, nullable=False),
)
"""One row for each tick of each job; see `cron.ledger.Run`."""

_RUNNING = runs.c.state == "running"
Index(
    "workerkit_runs_running", runs.c.job,
    sqlite_where=_RUNNING, postgresql_where=_RUNNING,
)  # fmt: skip

version = Table("workerkit_version", metadata, Column("version", Integer, primary_key=True))
"""One row: the version of the tables above."""
