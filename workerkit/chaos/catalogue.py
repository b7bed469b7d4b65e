"""The scenarios by name; light, as `--help` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["events", "cron"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is done to the workers of a *mode*; so many *replicas* run at its start.

    *server* says which part must be on a server, with a network to break.
    """

    name: str
    words: str
    replicas: int = 1
    mode: Mode = "events"
    server: Literal["", "broker", "database"] = ""


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
    Scenario("duplicate-events", "100 events are published a second time under their ids."),
    Scenario("poison-event", "Events come that cannot be read."),
    Scenario("deadly-event", "An event comes that kills the process that handles it."),
    Scenario("scale", "Replicas join and leave under load."),
    Scenario("kill-cron", "SIGKILL the cron worker in a job; the next tick completes.", 1, "cron"),
    Scenario("two-schedulers", "One of two cron workers freezes in a job, wakes late.", 2, "cron"),
)
"""In the order in which `all` plays them."""
