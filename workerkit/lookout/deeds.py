"""What the page does to a project: the same as the command line, through the same calls."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ..dashboard.model import Actions
from ..dashboard.words import plural
from ..errors import ConfigurationError, WorkerkitError
from ..events.envelope import EVENT_TYPE
from ..operate.jobs import find_job
from ..operate.letters import Changed, drop, replay
from ..operate.topics import Seen
from ..publisher import SOURCE, plan, publish
from ..trigger import trigger
from .looks import Lookout

WHO = "the dashboard"
"""Who paused a job, as others read it."""

ANSWERS = 1.0
"""Seconds after which a triggered run is no longer waited for."""


def actions_on(lookout: Lookout) -> Actions:
    """Everything that can be done here."""
    bench = lookout.bench
    return Actions(
        publish=lambda topic, data: _publish(lookout, topic, data),
        trigger=lambda name: _trigger(lookout, name),
        pause=lambda name: _set_paused(lookout, name, paused=True),
        resume=lambda name: _set_paused(lookout, name, paused=False),
        replay=lambda ids: _due(replay(lookout.databases(), ids, every=False)),
        replay_all=lambda: _due(replay(lookout.databases(), [], every=True)),
        correct=lambda id, data: _due(
            replay(lookout.databases(), [id], every=False, correction=data)
        ),
        drop=lambda ids: _dropped(lookout, ids),
        play=bench.play if bench else _not_here,
        load=bench.load if bench else _not_here,
        stop=bench.stop if bench else lambda: _not_here(""),
    )


def _publish(lookout: Lookout, topic: str, data: Any) -> str:
    planned = plan(lookout.project, topic, data, force=True)
    (sent,) = publish(lookout.project, planned).sent
    lookout.feed.remember(Seen(topic, "", sent.at, sent.id, SOURCE, EVENT_TYPE, "", data))
    lookout.pulse.again()
    return sent.id


def _trigger(lookout: Lookout, name: str) -> str:
    """Without a running worker the job runs in this process, on a thread of its own."""
    entry = find_job(lookout.project.jobs(name.partition("/")[0]), name)
    said: list[str] = []
    failed: list[WorkerkitError] = []

    def run() -> None:
        try:
            where = trigger(lookout.project, entry, None, wait=False, line=lambda text: None).where
            said.append(f"{name} was started in {where}.")
        except WorkerkitError as error:
            failed.append(error)
        lookout.pulse.again()

    running = threading.Thread(target=run, name=f"trigger {name}", daemon=True)
    running.start()
    running.join(ANSWERS)
    if failed:
        raise failed[0]
    return said[0] if said else f"{name} was started."


def _set_paused(lookout: Lookout, name: str, *, paused: bool) -> str:
    project = lookout.project
    entry = find_job(project.jobs(name.partition("/")[0]), name)
    service = entry.name.partition("/")[0]
    project.prepare(service)
    ledger = project.ledger(service)
    changed = ledger.pause(entry.name, WHO) if paused else ledger.resume(entry.name)
    lookout.pulse.again()
    state = "paused" if paused else "running on schedule"
    return f"{entry.name} is {state}{'' if changed else ' already'}."


def _due(changed: Changed) -> str:
    return f"Made {plural(changed.letters, 'event')} due again; a running worker takes them now."


def _dropped(lookout: Lookout, ids: Sequence[str]) -> str:
    return f"Dropped {plural(drop(lookout.databases(), ids).letters, 'event')}."


def _not_here(name: str) -> str:
    raise ConfigurationError("chaos and load are started from `workerkit dev`, or by command")
