"""What runs: announced and configured ports are asked what they say of themselves."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import orjson

from ..config.project_file import ProjectFile
from ..core.state import Member
from ..observability.server import port_owner

TIMEOUT = 1.5
"""Seconds that a port has to answer."""

_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker, as its process tells; `last_job_at` in RFC 3339, ages in seconds."""

    name: str
    kind: str
    topic: str
    status: str
    lag: int
    oldest_event_age: float
    processed: int
    failed: int
    last_job_at: str | None
    trouble: str | None


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One port that answered.

    `at` is where in the project's code its workers were when it answered.
    `foreign` says what is there when it is no process of this project; then
    `service` is the one whose port it holds. `owner` is the listening
    process, empty when that cannot be seen.
    """

    service: str
    mode: str
    port: int
    owner: str
    status: str
    guarantee: str = ""
    started_at: str | None = None
    parked: int = 0
    dead: int = 0
    outbox: int = 0
    at: tuple[str, ...] = ()
    workers: tuple[WorkerStatus, ...] = ()
    foreign: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """All that answered; `asked` are the ports, with the services that want them."""

    processes: tuple[ProcessStatus, ...]
    asked: dict[int, str]

    @property
    def running(self) -> bool:
        """Whether any process of ours has not gone."""
        return any(not p.foreign and p.status != "gone" for p in self.processes)


def look(file: ProjectFile, host: str, members: Sequence[Member] = ()) -> Status:
    """Ask every port of *file* and of *members*, all at once; takes `TIMEOUT` seconds at most.

    A member of this machine that does not answer is `gone`, or `silent` while
    it has its port and announces itself.
    """
    here = [m for m in members if m.host == socket.gethostname()]
    configured = ports(file)
    asked = {**{m.port: f"{m.service} {m.mode}" for m in here}, **configured}
    if not asked:
        return Status((), {})
    address = "127.0.0.1" if host in ("", "0.0.0.0") else "::1" if host == "::" else host
    with ThreadPoolExecutor(min(32, len(asked))) as pool:
        answers = pool.map(lambda port: ask(address, port), asked)
        found = [
            _process(port, asked[port], answer, set(file.services))
            for port, answer in zip(asked, answers, strict=True)
            if answer is not None
        ]
    ours = [process for process in found if not process.foreign]
    foreign = {process.port: process for process in found if process.foreign}
    heard = {process.port for process in ours}
    lost = [_lost(m, foreign.get(m.port)) for m in here if m.port not in heard]
    held = {(process.port, _pid(process)) for process in lost}
    others = [p for p in foreign.values() if p.port in configured and (p.port, _pid(p)) not in held]
    return Status((*ours, *lost, *others), asked)


def ports(file: ProjectFile) -> dict[int, str]:
    """The ports of *file* in order, each with who wants it, e.g. `pricing events`."""
    wanted: dict[int, list[str]] = {}
    for name, entry in file.services.items():
        for mode in entry.modes or ("api", "events", "cron"):
            port = getattr(entry.ports, mode)
            if port:
                wanted.setdefault(port, []).append(f"{name} {mode}")
    return {port: ", ".join(names) for port, names in sorted(wanted.items())}


def ask(host: str, port: int) -> tuple[str, Any] | None:
    """What `/health` on *port* answers, as (problem, JSON); None when nobody listens.

    Proxies are not used and redirects not followed.
    """
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        try:
            connection.connect()
        except TimeoutError:
            return f"did not take a connection within {TIMEOUT:g} s", None
        except OSError:
            return None
        connection.request("GET", "/health", headers={"accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read(_LIMIT)
    except TimeoutError:
        return f"did not answer /health within {TIMEOUT:g} s", None
    except (OSError, http.client.HTTPException):
        return "does not speak HTTP", None
    finally:
        connection.close()
    try:
        health = orjson.loads(body)
    except orjson.JSONDecodeError:
        return f"answers /health with HTTP {answer.status}, which is not ours", None
    keys = {"service", "mode", "status", "workers"}
    if isinstance(health, dict) and keys <= health.keys() and isinstance(health["workers"], list):
        return "", health
    return f"answers /health with HTTP {answer.status}, which is not ours", None


def _lost(member: Member, there: ProcessStatus | None) -> ProcessStatus:
    """*member*, of which nothing was heard; *there* is what has its port now."""
    lost = ProcessStatus(member.service, member.mode, member.port, f"pid {member.pid}", "gone")
    has_port = there is not None and _pid(there) == _pid(lost)
    return replace(lost, status="silent") if has_port and member.until > time.time() else lost


def _pid(process: ProcessStatus) -> str:
    return process.owner.partition(" (")[0]


def _process(
    port: int, wanted_by: str, answer: tuple[str, Any], services: set[str]
) -> ProcessStatus:
    problem, health = answer
    owner = port_owner(port)
    if problem:
        return ProcessStatus(wanted_by, "", port, owner, "foreign", foreign=problem)
    if health["service"] not in services:
        other = f"is service {health['service']!r} of another project"
        return ProcessStatus(wanted_by, "", port, owner, "foreign", foreign=other)
    return ProcessStatus(
        service=health["service"],
        mode=health["mode"],
        port=port,
        owner=owner,
        status=health["status"],
        guarantee=health.get("guarantee", ""),
        started_at=health.get("started_at"),
        parked=health.get("parked", 0),
        dead=health.get("dead", 0),
        outbox=health.get("outbox", 0),
        at=tuple(health.get("at", ())),
        workers=tuple(_worker(each) for each in health["workers"] if isinstance(each, dict)),
    )


def _worker(health: Mapping[str, Any]) -> WorkerStatus:
    return WorkerStatus(
        name=health.get("name", ""),
        kind=health.get("kind", ""),
        topic=health.get("topic", ""),
        status=health.get("status", ""),
        lag=health.get("lag", 0),
        oldest_event_age=health.get("oldest_event_age", 0.0),
        processed=health.get("jobs_processed", 0),
        failed=health.get("jobs_failed", 0),
        last_job_at=health.get("last_job_at"),
        trouble=health.get("trouble"),
    )
