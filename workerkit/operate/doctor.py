"""What could keep a project from working, each with its way out."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psutil

from ..config.project_file import ProjectFile
from ..config.settings import Environment, redis_url
from ..core.user_code import where_it_failed
from ..errors import WorkerkitError
from ..events.transport import Broker
from ..storage.database import VERSION, Database
from ..storage.inspection import count_letters, outbox_overdue, table_version
from ..transports.dapr import DaprTransport
from .doctor_dapr import check_dapr
from .doctor_redis import check_redis
from .finding import Check, Findings, Level
from .status import look

NETWORK = {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs",
           "lustre", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "virtiofs"}  # fmt: skip
"""File systems on which SQLite's WAL cannot work: its index is shared memory of one host."""

DAPR = Path("deploy/dapr")
"""Where a project has Dapr's YAML files."""

OUTBOX_STUCK = 60.0
"""Seconds past its due time after which no relay can be at work."""


class Patient(Protocol):
    """What is looked at of an opened project."""

    folder: Path
    file: ProjectFile
    environment: Environment
    data: Path

    @property
    def transport(self) -> Broker:
        """The broker."""

    def service(self, name: str) -> Any:
        """The service as its `wire` builds it; its `modes` are used."""

    def database(self, name: str) -> Database:
        """The service's database."""

    def close(self) -> None:
        """Release the files."""


def examine(open_project: Callable[[], Patient], host: str) -> Findings:
    """Run every check; *host* is where the processes listen.

    A project that cannot be opened is one failed check and ends the examination.
    """
    checks = [check_python(), check_sqlite()]
    try:
        project = open_project()
    except WorkerkitError as error:
        way_out = "correct it, or run this in a project's folder"
        return Findings((*checks, Check("project", "fail", str(error), way_out)))
    with closing(project):
        said = f"{project.file.name}: {', '.join(project.file.services) or 'no service'}"
        checks.append(Check("project", "ok" if project.file.services else "warn", said))
        basic = list(check_data_folder(project.data))
        url = redis_url(project.file, project.environment)
        basic += check_redis(url) if url else ()
        checks += basic
        if not Findings(tuple(basic)).failed:
            checks.append(check_clock(project.data, project.transport))
        if isinstance(project.transport, DaprTransport):
            checks.append(check_sidecar(project.transport))
        for name in project.file.services:
            checks.append(check_wiring(project, name))
            checks += check_database(project, name)
        checks += check_ports(project.file, host)
        dapr = project.folder / DAPR
        checks += check_dapr(dapr) if dapr.is_dir() else ()
    return Findings(tuple(checks))


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """3.11 or newer."""
    said = ".".join(map(str, version))
    if version < (3, 11):
        return Check("python", "fail", f"{said} is too old", "use Python 3.11 or newer")
    return Check("python", "ok", said)


def check_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> Check:
    """RETURNING came with 3.35, the operator ->> with 3.38; the inbox uses both."""
    said = ".".join(map(str, version))
    if version < (3, 38):
        way_out = "use a Python that is linked with SQLite 3.38 or newer"
        return Check("sqlite", "fail", f"{said} is too old for the inbox", way_out)
    return Check("sqlite", "ok", said)


def check_data_folder(folder: Path) -> Iterator[Check]:
    """Writable, on a local disk with room, and WAL works in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".doctor-") as scratch,
            closing(sqlite3.connect(Path(scratch) / "wal.db")) as db,
        ):
            mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            db.execute("CREATE TABLE probe (id INTEGER)")
    except (OSError, sqlite3.Error) as error:
        way_out = "make it writable, or choose another with `data` or WORKERKIT_DATA"
        yield Check("data folder", "fail", f"{folder}: {error}", way_out)
        return
    kind = file_system(folder)
    if mode != "wal" or kind in NETWORK:
        fact = f"{folder} is on {kind or 'a file system'}, where SQLite's WAL is not safe"
        yield Check("data folder", "fail", fact, "put `data` on a local disk, or use a server")
    else:
        yield Check("data folder", "ok", f"{folder} is writable, WAL works")
    free = shutil.disk_usage(folder).free
    said = f"{free / 2**30:.1f} GiB free"
    level: Level = "fail" if free < 50 * 2**20 else "warn" if free < 2**30 else "ok"
    yield Check("disk", level, said, "" if level == "ok" else "free some space")


def check_clock(folder: Path, broker: Broker) -> Check:
    """Leases and due times compare clocks: ours, the disk's, and those of past publishers."""
    now = time.time()
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as probe:
        drift = os.stat(probe.name).st_mtime - now
    ahead = 0.0
    for topic in broker.topics():
        last = broker.last(topic)
        newest = broker.read(topic, str(int(last) - 1) if last.isdigit() and last != "0" else "", 1)
        ahead = max(ahead, *(entry.published - now for entry in newest), 0.0)
    if now < 1_700_000_000:
        return Check("clock", "fail", f"the clock says {time.ctime(now)}", "set the clock (NTP)")
    if abs(drift) > 5.0:
        fact = f"the data folder's clock differs from ours by {drift:.0f} s"
        return Check("clock", "warn", fact, "synchronise both clocks (NTP)")
    if ahead > 5.0:
        fact = f"an event was published {ahead:.0f} s in the future: a clock was set back"
        return Check("clock", "warn", fact, "leases may last that much longer; check NTP")
    return Check("clock", "ok", "agrees with the data folder and the events")


def check_sidecar(transport: DaprTransport) -> Check:
    """The Dapr sidecar that carries the project's events answers."""
    trouble = transport.client.trouble()
    if trouble is not None:
        return Check("dapr sidecar", "fail", trouble)
    return Check("dapr sidecar", "ok", f"{transport.client.shown} answers")


def check_wiring(project: Patient, name: str) -> Check:
    """The service's `wire` runs and returns something that can work."""
    label = f"{name}: wiring"
    reference = project.file.services[name].wire
    try:
        modes = project.service(name).modes
    except WorkerkitError as error:
        return Check(label, "fail", str(error), f"correct {reference}")
    except Exception as error:  # user code: any of it may be wrong
        fact = where_it_failed(error, project.folder)
        return Check(label, "fail", fact, f"`python -c 'import {reference.partition(':')[0]}'`")
    if not modes:
        return Check(label, "warn", f"{reference} has nothing to run", "give it workers or an API")
    return Check(label, "ok", f"{reference} has {', '.join(modes)}")


def check_database(project: Patient, name: str) -> Iterator[Check]:
    """Reachable, with tables that this release reads; dead letters; an outbox that flows."""
    label = f"{name}: database"
    upgrade = f"`workerkit db upgrade {name}`"
    try:
        database = project.database(name)
        version = table_version(database)
        shown = database.shown
        if version == 0:
            level: Level = "ok" if database.sqlite else "warn"
            fact = f"{shown} has no tables yet" + ("; the first start makes them" * database.sqlite)
            yield Check(label, level, fact, "" if database.sqlite else upgrade)
            return
        if version > VERSION:
            fact = f"{shown} has tables of version {version}, this workerkit knows {VERSION}"
            yield Check(label, "fail", fact, "upgrade workerkit")
            return
        old = version < VERSION
        fact = f"{shown} has tables of version {version}" + (f", needed is {VERSION}" * old)
        yield Check(label, "warn" if old else "ok", fact, upgrade if old else "")
        yield from _check_rows(database, name)
    except WorkerkitError as error:
        yield Check(label, "fail", str(error), "is it running, and are URL and rights correct?")
    except ModuleNotFoundError as error:
        way_out = "install it, e.g. with `pip install 'workerkit[postgresql]'`"
        yield Check(label, "fail", f"its driver {error.name!r} is not installed", way_out)


def check_ports(file: ProjectFile, host: str) -> Iterator[Check]:
    """Each configured port is free, or one of our processes has it."""
    status = look(file, host)
    answered = {process.port: process for process in status.processes}
    free = [str(port) for port in status.asked if port not in answered]
    for port, process in answered.items():
        owner = f" ({process.owner})" if process.owner else ""
        if process.foreign:
            fact = f"{port} for {status.asked[port]}: what listens there{owner} {process.foreign}"
            yield Check("ports", "warn", fact, "end it, or choose another port in workerkit.toml")
        else:
            fact = f"{port}: {process.service} {process.mode} is {process.status}{owner}"
            yield Check("ports", "ok" if process.status == "running" else "warn", fact)
    if free:
        yield Check("ports", "ok", f"free: {', '.join(free)}")


def file_system(folder: Path) -> str:
    """The kind of file system that *folder* is on, e.g. ext4; empty when it cannot be seen."""
    try:
        parts = psutil.disk_partitions(all=True)
    except OSError:
        return ""
    path = folder.resolve()
    over = [part for part in parts if path.is_relative_to(part.mountpoint)]
    return max(over, key=lambda part: len(part.mountpoint)).fstype.lower() if over else ""


def _check_rows(database: Database, name: str) -> Iterator[Check]:
    dead, parked = (count_letters(database, dead=dead) for dead in (True, False))
    if dead:
        way_out = f"`workerkit dlq list {name}`, then replay or drop them"
        yield Check(f"{name}: dead letters", "warn", f"{dead} dead, {parked} parked", way_out)
    else:
        yield Check(f"{name}: dead letters", "ok", f"none, {parked} parked")
    stuck = outbox_overdue(database, time.time() - OUTBOX_STUCK)
    if stuck:
        fact = f"{stuck} batches have waited for more than {OUTBOX_STUCK:g} s"
        way_out = f"start a process of {name}: its relay sends them"
        yield Check(f"{name}: outbox", "warn", fact, way_out)
    else:
        yield Check(f"{name}: outbox", "ok", "nothing is stuck")
