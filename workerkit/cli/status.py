"""`workerkit status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..core.state import Member
    from ..operate.status import ProcessStatus, Status
    from ..project import Project


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what runs on the project's ports, and what waits. Example: workerkit status"""
    from ..operate.status import look  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    with opened() as project:
        found = look(project.file, project.environment.worker_host, _members(project))
    if as_json:
        return show.json({"running": found.running, "processes": found.processes})
    return _show(found)


def _members(project: Project) -> list[Member]:
    """Who has announced itself; nobody when the state does not answer, and then it says so."""
    from ..errors import StorageError  # noqa: PLC0415
    from . import show  # noqa: PLC0415

    try:
        return project.state.members()
    except StorageError as error:
        show.warning(f"{error}; only the configured ports were asked")
        return []


def _show(found: Status) -> None:
    from . import show  # noqa: PLC0415

    ours = [process for process in found.processes if not process.foreign]
    processes = (
        show.Column("service", cut=True), show.Column("mode"), show.Column("status", word=True),
        show.Column("port", number=True), show.Column("pid", number=True),
        show.Column("parked", number=True), show.Column("dead", number=True),
        show.Column("outbox", number=True),
    )  # fmt: skip
    show.table(processes, [
        (p.service, p.mode, p.status, p.port, _pid(p), p.parked, p.dead, p.outbox) for p in ours
    ])  # fmt: skip
    rows = [
        (w.name, p.port, w.topic, w.status, w.lag, w.processed, w.failed, _ago(w.last_job_at))
        for p in ours
        for w in p.workers
    ]
    if rows:
        show.note("")
    show.table((
        show.Column("worker", cut=True), show.Column("port", number=True),
        show.Column("topic", cut=True), show.Column("status", word=True),
        *(show.Column(n, number=True) for n in ("lag", "processed", "failed", "last job")),
    ), rows)  # fmt: skip
    _tell(found)


def _tell(found: Status) -> None:
    """What a table does not show: trouble, what is foreign, and that nothing runs."""
    from . import show  # noqa: PLC0415

    for process in found.processes:
        owner = f" ({process.owner})" if process.owner else ""
        if process.foreign:
            show.warning(f"port {process.port} of {process.service}: what listens there{owner} "
                         f"{process.foreign}")  # fmt: skip
        for place in process.at:
            show.note(f"{process.service} {process.mode} is at {place}")
        for worker in process.workers:
            if worker.trouble:
                show.warning(f"{worker.name} on port {process.port}: {worker.trouble}")
    if not found.running:
        ports = ", ".join(map(str, found.asked)) or "none is named"
        show.note(f"nothing runs on the project's ports ({ports}); start it: `workerkit run`")


def _pid(process: ProcessStatus) -> str:
    first, _, rest = process.owner.partition(" ")
    return rest.partition(" ")[0] if first == "pid" else "-"


def _ago(moment: str | None) -> str:
    import time  # noqa: PLC0415
    from datetime import datetime  # noqa: PLC0415

    from . import show  # noqa: PLC0415

    if not moment:
        return "-"
    seconds = time.time() - datetime.fromisoformat(moment).timestamp()
    return f"{show.duration(max(0.0, seconds))} ago"
