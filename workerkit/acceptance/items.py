"""The items, in order: what a project needs, which services it concerns, what settles it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..operate.checklist import Seen
from .evidence import Evidence
from .probes import code, containers, documents, live, measured
from .probes.guarded import Probe

Concerns = Literal["main", "others", "apart", "alone", "all"]
"""The service with the events; further ones with workers; both; those with an API alone; all."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One item; without a probe it is for a person to tick."""

    id: str
    title: str
    concerns: Concerns
    probe: Probe | None


def _grafana(evidence: Evidence, services: Sequence[str]) -> Seen:
    where = shutil.which("grafana-server") or shutil.which("grafana")
    told = "nobody has looked at it yet" if where else "no Grafana is installed on this machine"
    return Seen("person" if where else "unseen", told)


def _documented(evidence: Evidence, services: Sequence[str]) -> Seen:
    """What the fifth day asks of documents, at once."""
    for probe in (documents.readmes, documents.root_readme, documents.runbook,
                  documents.alerts_explained, code.drawn, documents.plan_written):  # fmt: skip
        seen = probe(evidence, services)
        if seen.state != "done":
            return seen
    return Seen("done", "READMEs, runbook, architecture, deployment plan")


DAY1 = (
    Spec("wired", "One function puts the service together", "main", code.wired),
    Spec("readable", "Every module is Python", "all", code.readable),
    Spec("events", "Events have a worker", "main", code.handles_events),
    Spec("entry", "Workers start without the API", "main", code.entry_point),
    Spec("retry", "A failed event is tried again, later each time", "main", code.tries_again),
    Spec("tested", "Every worker and job has a test", "main", code.tested),
    Spec("settled", "Events were settled here", "main", live.settles),
    Spec("once", "An event that comes twice counts once", "main",
         measured.survives("duplicate-events")),
    Spec("order", "Events in the wrong order do no harm", "main",
         measured.survives("reorder-events")),
    Spec("unreadable", "An event that nobody can read stops nobody", "main",
         measured.survives("poison-event")),
    Spec("drain", "A worker that is told to stop ends what it began", "main",
         measured.survives("stop-worker")),
    Spec("letters", "No event was given up on", "main", live.no_dead_letters),
    Spec("dockerfile", "One Dockerfile makes every image", "main", containers.one_image_file),
    Spec("images", "The images are built", "main", containers.built),
)  # fmt: skip

DAY2 = (
    Spec("jobs", "Jobs have their schedules", "main", code.has_jobs),
    Spec("timeouts", "A job that hangs is noticed", "main", code.has_timeouts),
    Spec("ran", "Every job has run, and well", "main", live.jobs_succeed),
    Spec("ticks", "Two cron workers run each tick once", "apart",
         measured.survives("two-schedulers")),
    Spec("containers", "Each process has its container", "main", containers.containers),
    Spec("api", "The API's container serves requests alone", "main", containers.apis_alone),
    Spec("limits", "Workers have limits of CPU and memory", "main", containers.limited),
    Spec("restarts", "Workers come back when they end", "main", containers.restarted),
    Spec("checked", "Containers are asked for their health", "main", containers.health_checked),
    Spec("compose", "docker compose takes the file", "main", containers.understood),
    Spec("up", "The containers run, and are well", "main", containers.up),
    Spec("metrics", "Workers expose the four metrics", "main", live.measurable),
    Spec("health", "Every process tells how it is", "main", live.healthy),
    Spec("scraped", "Prometheus knows every process", "main", documents.scraped),
)  # fmt: skip

DAY3 = (
    Spec("wired", "One function puts each together", "others", code.wired),
    Spec("entry", "Workers start without the API", "others", code.entry_point),
    Spec("tested", "Every worker and job has a test", "others", code.tested),
    Spec("ran", "Every job has run, and well", "others", live.jobs_succeed),
    Spec("containers", "Each process has its container", "others", containers.containers),
    Spec("api", "The API's container serves requests alone", "others", containers.apis_alone),
    Spec("limits", "Workers have limits of CPU and memory", "others", containers.limited),
    Spec("restarts", "Workers come back when they end", "others", containers.restarted),
    Spec("up", "The containers run, and are well", "others", containers.up),
    Spec("metrics", "Workers expose the four metrics", "others", live.measurable),
    Spec("health", "Every process tells how it is", "others", live.healthy),
    Spec("load", "The API keeps its promise under load", "others",
         measured.apis_keep_their_promise),
    Spec("usage", "What the processes take is known", "others", measured.usage_known),
)  # fmt: skip

DAY4 = (
    Spec("flow", "An event goes from one end to the other", "all", measured.event_passes),
    Spec("cron", "No run failed, was cut off or left behind", "apart", live.jobs_in_time),
    Spec("kill-worker", "A killed event worker loses nothing", "main",
         measured.survives("kill-worker")),
    Spec("kill-cron", "A killed job completes on its next tick", "apart",
         measured.survives("kill-cron")),
    Spec("lose-db", "A database that goes away loses nothing", "main",
         measured.survives("lose-db")),
    Spec("lose-broker", "A broker that goes away loses nothing", "main",
         measured.survives("lose-broker")),
    Spec("faults", "Every other fault that can be made here is survived", "apart",
         measured.survives_all),
    Spec("load", "Every API keeps its promise under load", "all",
         measured.apis_keep_their_promise),
    Spec("events", "Events are settled as fast as promised", "apart",
         measured.events_keep_their_promise),
    Spec("soak", "Nothing grows under steady load", "main", measured.nothing_grows),
    Spec("counting", "Workers count what they do", "apart", live.counting),
    Spec("alerts", "Every alert was seen firing, and silent", "all", documents.alerts_tested),
    Spec("decided", "It is decided what stays as it is, and why", "alone", documents.evaluated),
)  # fmt: skip

DAY5 = (
    Spec("readmes", "Each service says how it is run", "all", documents.readmes),
    Spec("overview", "The project's README names every process", "all", documents.root_readme),
    Spec("runbook", "A runbook answers what is asked at night", "all", documents.runbook),
    Spec("headings", "Every alert leads to its place in the runbook", "all",
         documents.alerts_explained),
    Spec("architecture", "Diagrams and schedules are what the code says", "all", code.drawn),
    Spec("plan", "There is a plan for the deployment and the way back", "all",
         documents.plan_written),
    Spec("window", "Window, person on call and who is told are in the plan", "all",
         documents.plan_filled),
    Spec("rules", "There are alerts for workers, failures and slow jobs", "all",
         documents.alerts_cover),
    Spec("woken", "Alerts wake somebody", "all", documents.somebody_woken),
    Spec("dashboard", "There is a dashboard", "all", documents.dashboard),
    Spec("looked", "Somebody has looked at the dashboard in Grafana", "all", _grafana),
    Spec("tests", "The project's own tests pass", "all", measured.own_tests),
    Spec("smoke", "A deployment was tried", "all", measured.tried),
    Spec("watched", "It was watched for an hour", "all", measured.watched),
    Spec("rollback", "The way back was rehearsed", "all", measured.rehearsed),
    Spec("told", "Whoever has to know was told", "all", None),
    Spec("approved", "The team has approved", "all", None),
)  # fmt: skip

SUCCESS = (
    Spec("apart", "Workers run by themselves", "apart", live.separated),
    Spec("throughput", "Events are settled as fast as promised", "apart",
         measured.events_keep_their_promise),
    Spec("latency", "APIs keep their promise under load", "all",
         measured.apis_keep_their_promise),
    Spec("no-worse", "APIs are no slower than with workers inside", "main",
         measured.no_worse_apart),
    Spec("in-time", "Jobs end in time", "apart", live.jobs_in_time),
    Spec("leaks", "Nothing leaks", "main", measured.nothing_grows),
    Spec("graceful", "Stopping loses nothing", "main", measured.survives("stop-worker")),
    Spec("health", "Every process tells how it is", "all", live.healthy),
    Spec("restart", "Workers are replaced while the API answers", "main", measured.api_unharmed),
    Spec("scale", "Workers come and go under load", "main", measured.survives("scale")),
    Spec("metrics", "Every worker can be watched", "apart", live.measurable),
    Spec("alerts", "Alerts are there, and tested", "all", documents.alerts_tested),
    Spec("documents", "All of it is written down", "all", _documented),
    Spec("trained", "The team knows the new layout", "all", None),
    Spec("downtime", "A deployment stayed up while it was watched", "all", measured.watched),
    Spec("nothing-lost", "Nothing was lost, whatever broke", "apart", measured.loses_nothing),
    Spec("usage", "What the processes take is known", "apart", measured.usage_known),
)  # fmt: skip

DAYS = {
    "day1": ("Day 1: event worker", DAY1), "day2": ("Day 2: jobs, containers, metrics", DAY2),
    "day3": ("Day 3: the next service", DAY3), "day4": ("Day 4: proof", DAY4),
    "day5": ("Day 5: documents, deployment", DAY5), "success": ("Criteria of success", SUCCESS),
}  # fmt: skip
"""By id: the title, and its items."""

PERSONAL = tuple(
    f"{day}.{spec.id}"
    for day, (_, specs) in DAYS.items()
    for spec in specs
    if spec.probe in (None, _grafana)
)
"""Items that a person may tick."""
