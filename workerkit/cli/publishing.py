"""What `workerkit publish` does and shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import orjson

from ..publisher import Plan, Published, plan, publish
from ..story import Stories, Told, marks, wait_for_stories
from . import show
from .opened import opened, read_json
from .signals import interruptible


@dataclass(frozen=True, slots=True)
class Request:
    """The flags."""

    topic: str
    data: str | None
    count: int
    rate: float | None
    event_id: str | None
    wait: float | None
    force: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What `--json` prints; `stories` is None without `--wait`."""

    published: Published
    stories: Stories | None


def run(request: Request) -> int:
    """Publish and, if asked, wait; return the exit code."""
    given = {} if request.data is None else {"data": read_json(request.data)}
    with opened() as project, interruptible() as stop:
        planned = plan(project, request.topic, force=request.force, **given)
        for text in planned.warnings:
            show.warning(text)
        since = marks(project) if request.wait is not None else None
        with show.progress(f"publishing to {request.topic}", request.count) as progress:
            published = publish(
                project, planned, count=request.count, id=request.event_id, rate=request.rate,
                stop=stop, progress=progress,
            )  # fmt: skip
        if not request.as_json:
            _show_published(published)
        stories = None
        if request.wait is not None and not stop.is_set():
            total = len(published.sent) * len(planned.consumers)
            with show.progress("waiting until settled", total) as progress:
                stories = wait_for_stories(
                    project, published, planned.consumers, timeout=request.wait, stop=stop,
                    since=since, progress=progress,
                )  # fmt: skip
    if request.as_json:
        show.json(Answer(published, stories))
    elif stories is not None:
        _show_stories(stories)
    return _exit_code(planned, published, stories)


def _exit_code(planned: Plan, published: Published, stories: Stories | None) -> int:
    """130 interrupted, 5 a dead letter, 6 not settled in time, else 0; says why."""
    if published.interrupted or (stories is not None and stories.interrupted):
        return 130
    if stories is None:
        return 0
    if not planned.consumers:
        show.warning("nobody listens, so there was nothing to wait for")
        return 6
    dead = stories.count("dead")
    if dead:
        first = next(s.id for s in stories.stories if any(t.outcome == "dead" for t in s.consumers))
        became = show.count(dead, "dead letter")
        show.warning(f"{became}: `workerkit dlq show {first}` tells more")
        return 5
    if not stories.settled:
        left = show.count(stories.count("waiting", "parked"), "event")
        show.warning(
            f"{left} not settled after {stories.timeout:g} s: "
            "is a worker running? `workerkit status`"
        )
        return 6
    return 0


def _show_published(published: Published) -> None:
    sent = len(published.sent)
    line = f"published {sent} to {published.topic}"
    if published.interrupted:
        line = f"interrupted: published {sent} of {published.wanted} to {published.topic}"
    elif published.wanted == 1:
        line += f" with id {published.sent[0].id}"
    else:
        line += f" in {show.duration(published.seconds)}"
    show.note(line)
    if published.example:
        show.note(f"example data: {orjson.dumps(published.data).decode()}")


def _show_stories(stories: Stories) -> None:
    if len(stories.stories) > 1:
        _show_summary(stories)
        return
    for story in stories.stories:
        rows = [
            (t.consumer, t.outcome, show.count(t.attempts, "attempt"), _took(t), t.error)
            for t in story.consumers
        ]
        rows += [(f"  {f.topic}", "follow-up", "", "", f.id) for f in story.follow_ups]
        titles = (
            show.Column("consumer"), show.Column("outcome", word=True), show.Column("attempts"),
            show.Column("took"), show.Column("details", cut=True),
        )  # fmt: skip
        show.table(titles, rows)


def _show_summary(stories: Stories) -> None:
    outcomes = ("applied", "duplicate", "dead", "parked", "waiting")
    by_consumer: dict[str, list[Told]] = {}
    for story in stories.stories:
        for told in story.consumers:
            by_consumer.setdefault(told.consumer, []).append(told)
    rows = []
    for consumer, parts in by_consumer.items():
        counts = Counter(told.outcome for told in parts)
        times = sorted(told.seconds for told in parts if told.seconds is not None)
        middle = show.duration(times[len(times) // 2]) if times else "-"
        slowest = show.duration(times[-1]) if times else "-"
        rows.append((consumer, *(counts[outcome] for outcome in outcomes), middle, slowest))
    titles = [show.Column(name, number=True) for name in (*outcomes, "median", "slowest")]
    show.table((show.Column("consumer", cut=True), *titles), rows)
    follow_ups = sum(len(story.follow_ups) for story in stories.stories)
    if follow_ups:
        show.note(f"{show.count(follow_ups, 'follow-up event')} published")


def _took(told: Told) -> str:
    if told.seconds is not None:
        return show.duration(told.seconds)
    return "before" if told.outcome == "duplicate" else "-"
