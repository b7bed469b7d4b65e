"""From a look at the project to the overview: who is connected with whom, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..dashboard.model import Flow, Node, Overview, Tone, Trouble, WorkerLine
from ..dashboard.words import TONES, duration, event_path, plural, rate
from ..operate.top import Row
from .feed import Feed
from .pulse import Beat, key_of

OLD = 60.0
"""Seconds that an event may wait before it is a trouble."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What does not change while it runs: (service, worker, topic), and who could not be wired."""

    services: Sequence[str]
    workers: Sequence[tuple[str, str, str]]
    warnings: Sequence[str]

    @property
    def topics(self) -> list[str]:
        """The topics that somebody listens to."""
        return sorted({topic for _, _, topic in self.workers})


def overview(beat: Beat, feed: Feed, wiring: Wiring) -> Overview:
    """Everything at one moment."""
    scene = beat.scene
    lines = tuple(_line(row, beat) for row in sorted(scene.rows, key=_order))
    return Overview(
        troubles=tuple(_troubles(beat, feed, wiring)),
        nodes=tuple(_nodes(beat, feed, wiring)),
        flows=tuple(_flows(beat, feed, wiring)),
        workers=lines,
        rate=sum(row.rate or 0.0 for row in scene.rows if row.kind != "cron"),
        lag=sum(row.lag for row in scene.rows if row.kind != "cron"),
        parked=scene.parked,
        dead=scene.dead,
        outbox=scene.outbox,
        trend=beat.trend,
    )


def _order(row: Row) -> tuple[bool, bool, str, str]:
    """What is wrong first, then events before jobs."""
    return TONES.get(row.status) in ("good", "idle"), row.kind == "cron", row.service, row.name


def _line(row: Row, beat: Beat) -> WorkerLine:
    return WorkerLine(
        service=row.service, name=row.name, kind=row.kind, port=row.port, status=row.status,
        tone=TONES.get(row.status, "idle"), rate=row.rate, lag=row.lag, oldest=row.oldest,
        processed=row.processed, failed=row.failed, trend=beat.trends.get(key_of(row), ()),
    )  # fmt: skip


def _troubles(beat: Beat, feed: Feed, wiring: Wiring) -> Iterable[Trouble]:
    for text in (beat.trouble, feed.trouble, *wiring.warnings):
        if text:
            yield Trouble(text, "bad")
    for text in beat.scene.troubles:
        yield Trouble(text, "bad")
    for row in beat.scene.rows:
        if row.kind != "cron" and row.oldest > OLD:
            yield Trouble(f"{row.service}/{row.name} is behind: its oldest event waits for "
                          f"{duration(row.oldest)}", "warn", "/events")  # fmt: skip
    for job in beat.jobs:
        if job.last is not None and job.last.state in ("failed", "timed_out", "abandoned"):
            what = job.last.state.replace("_", " ")
            why = f": {job.last.reason}" if job.last.reason else ""
            yield Trouble(f"{job.name} {what} last time{why}", "bad", f"/cron/{job.name}")
    if beat.scene.dead:
        yield Trouble(plural(beat.scene.dead, "dead letter"), "bad", "/letters")
    if beat.scene.parked:
        waits = plural(beat.scene.parked, "event")
        yield Trouble(f"{waits} failed and will be tried again", "warn", "/letters?parked=1")


def _nodes(beat: Beat, feed: Feed, wiring: Wiring) -> Iterable[Node]:
    pairs = feed.flows()
    services = {process.service for process in beat.status.processes if not process.foreign}
    services |= set(wiring.services)
    for source in sorted({source for source, _ in pairs} - services):
        name = "by hand" if source == "cli" else source or "no source"
        yield Node(f"source {source}", "source", name, "idle")
    for topic in sorted({topic for _, topic in pairs} | set(wiring.topics)):
        yield Node(f"topic {topic}", "topic", topic, "idle", href=_topic_path(topic))
    for service in sorted(services):
        yield _service(service, beat)


def _topic_path(topic: str) -> str:
    return f"/events?topic={event_path(topic).removeprefix('/events/')}"


def _service(name: str, beat: Beat) -> Node:
    ours = [p for p in beat.status.processes if p.service == name and not p.foreign]
    rows = [row for row in beat.scene.rows if row.service == name]
    events = [row for row in rows if row.kind != "cron"]
    jobs = {row.name for row in rows if row.kind == "cron"}
    facts = []
    if events:
        lag = sum(row.lag for row in events)
        settled = rate(sum(row.rate or 0.0 for row in events))
        facts.append(f"{settled}" + (f", {lag:,} waiting" if lag else ""))
    modes = [process.mode for process in ours]
    held = plural(len(ours), "process").replace("processs", "processes")
    facts.append(f"{held}, {plural(len(jobs), 'job')}" if jobs else held)
    if not modes:
        facts = ["does not run"]
    trends = [beat.trends[key_of(row)] for row in events if key_of(row) in beat.trends]
    return Node(
        f"service {name}", "service", name, _tone([p.status for p in ours]), tuple(facts),
        _sum(trends), href="/events" if events else "/cron" if jobs else "",
    )  # fmt: skip


def _tone(states: Sequence[str]) -> Tone:
    tones = {TONES.get(state, "idle") for state in states}
    order: tuple[Tone, ...] = ("bad", "warn", "good", "idle")
    return next((tone for tone in order if tone in tones), "idle")


def _sum(trends: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Of replicas that were started at different times: the latest moments that all have."""
    length = min(map(len, trends), default=0)
    return tuple(map(sum, zip(*(trend[len(trend) - length :] for trend in trends), strict=True)))


def _flows(beat: Beat, feed: Feed, wiring: Wiring) -> Iterable[Flow]:
    published, sampled = feed.rates(), feed.sampled()
    services = {process.service for process in beat.status.processes} | set(wiring.services)
    for source, topic in feed.flows():
        start = f"service {source}" if source in services else f"source {source}"
        yield Flow(start, f"topic {topic}", published.get((source, topic), 0.0), topic in sampled)
    topics = {(service, worker): topic for service, worker, topic in wiring.workers}
    settled: dict[tuple[str, str], float | None] = {
        (topic, service): None for service, _, topic in wiring.workers
    }
    for row in beat.scene.rows:
        pair = (topics.get((row.service, row.name), ""), row.service)
        if row.rate is not None and pair in settled:
            settled[pair] = (settled[pair] or 0.0) + row.rate
    for (topic, service), settling in settled.items():
        yield Flow(f"topic {topic}", f"service {service}", settling)
