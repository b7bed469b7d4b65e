"""The scenarios by name; light, as `--help` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["events", "cron"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is done to the workers of a *mode*; so many *replicas* run at its start.

    *server* says which part must be on a server, with a network to break;
    "file" that the database must be none.
    """

    name: str
    words: str
    replicas: int = 1
    mode: Mode = "events"
    server: Literal["", "broker", "database", "file"] = ""


SCENARIOS = (
    Scenario("kill-worker", "SIGKILL the event worker three times while it handles events."),
    Scenario("stop-worker", "SIGTERM it under load: it drains, and exits in time."),
    Scenario("freeze-worker", "SIGSTOP one of two replicas beyond the lease, then SIGCONT.", 2),
    Scenario("lose-db", "The service's database takes no write for a while."),
    Scenario("lose-broker", "The broker is away for a while."),
    Scenario("slow-db", "PostgreSQL answers late.", server="database"),
    Scenario("slow-broker", "Redis answers late.", server="broker"),
    Scenario("flaky-broker", "Redis resets connections, five times.", server="broker"),
    Scenario("half-open", "Redis says nothing more, and hangs up on nobody.", server="broker"),
    Scenario("flush-redis", "Redis is emptied under load.", server="broker"),
    Scenario("disk-full", "The worker can write no file for a while.", server="file"),
    Scenario("duplicate-events", "Events come a second time; others come under their ids."),
    Scenario("reorder-events", "Events come in the wrong order."),
    Scenario("poison-event", "Events come that cannot be read."),
    Scenario("deadly-event", "An event comes that kills the process that handles it."),
    Scenario("failing-handler", "Handlers raise once, while copies of their events come."),
    Scenario("rude-handler", "Handlers try to roll back what their neighbours did."),
    Scenario("scale", "Replicas join and leave under load."),
    Scenario("restart-all", "All workers are replaced, one by one; the API must not fail.", 2),
    Scenario("kill-sidecar", "SIGKILL the sidecar three times while events come through it."),
    Scenario("kill-cron", "SIGKILL the cron worker in a job; the next tick completes.", 1, "cron"),
    Scenario("two-schedulers", "One of two cron workers freezes in a job, wakes late.", 2, "cron"),
    Scenario("clock-jump", "The clock of jobs is set forward and back over a tick.", 1, "cron"),
)
"""In the order in which `all` plays them."""

RANDOM = Scenario("random", "One fault after another, drawn by a seed, under load.", 2)
"""Played by itself; it takes as long as one says."""
