"""What `workerkit top` does: looks, draws, and takes keys."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from ..errors import StorageError, WorkerkitError
from ..operate.jobs import Job, describe_jobs, find_job
from ..operate.letters import replay
from ..operate.status import Status, look
from ..operate.top import Row, Scene, Top
from ..project import Project
from ..trigger import trigger
from . import show, show_top
from .keys import keys
from .opened import databases, opened

FIRST = 0.5
"""Seconds between the two looks that a table in a pipe is made of."""


def run(every: float, *, as_json: bool) -> None:
    """Until `q` or Ctrl-C on a terminal, else once."""
    with opened() as project:
        watched = Top(lambda: _look(project), lambda: _jobs(project))
        if as_json or not (sys.stdout.isatty() and sys.stdin.isatty()):
            watched.scene()
            time.sleep(FIRST)
            scene = watched.scene()
            return show.json(scene) if as_json else show_top.once(scene)
        return _live(project, watched, every)


def _live(project: Project, watched: Top, every: float) -> None:
    scene, chosen, said, due = watched.scene(), 0, "", 0.0
    with show_top.live() as draw, keys() as read:
        while True:
            if time.monotonic() >= due:
                scene, due = watched.scene(), time.monotonic() + every
            chosen = max(0, min(chosen, len(scene.rows) - 1))
            draw(scene, chosen, said)
            key = read(max(0.05, due - time.monotonic()))
            if key == "q":
                return
            if key in ("up", "k", "down", "j"):
                chosen += 1 if key in ("down", "j") else -1
            elif key and scene.rows:
                said, due = _act(project, scene, scene.rows[chosen], key), 0.0


def _act(project: Project, scene: Scene, row: Row, key: str) -> str:
    """Do what *key* says to *row*; what came of it, in a sentence."""
    try:
        if key == "r":
            if not scene.dead:
                return "there is no dead letter"
            changed = replay(databases(project, row.service), [], every=True)
            return f"made {show.count(changed.letters, 'event')} of {row.service} due again"
        if key in ("t", "p"):
            return _act_on_job(project, row, key)
    except WorkerkitError as error:
        return str(error)
    return "t runs a job, p pauses it, r replays dead letters, q ends"


def _act_on_job(project: Project, row: Row, key: str) -> str:
    if row.kind != "cron":
        return f"{row.name} is no job"
    entry = find_job(project.jobs(), row.name)
    if key == "t":
        done = trigger(project, entry, None, wait=False, line=lambda text: None)
        return f"{entry.name} was started in {done.where}"
    ledger = project.ledger(entry.name.partition("/")[0])
    if row.paused:
        ledger.resume(entry.name)
        return f"{entry.name} resumed"
    ledger.pause(entry.name, "workerkit top")
    return f"{entry.name} paused"


def _look(project: Project) -> Status:
    try:
        members = project.state.members()
    except StorageError:
        members = []
    return look(project.file, project.environment.worker_host, members)


def _jobs(project: Project) -> Sequence[Job]:
    entries = project.jobs()
    try:
        return describe_jobs(entries, project.ledgers(entries), time.time(), 1)
    except StorageError:
        return describe_jobs(entries, {}, time.time(), 1)
