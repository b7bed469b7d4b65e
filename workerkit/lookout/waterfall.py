"""One event's story, put together from what the feed saw, the inboxes hold and the log says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ..dashboard.model import EventLine, Line, Step, Story, Tone
from ..dashboard.words import event_path, plural
from ..events.envelope import cause_of, follow_up_ids
from ..events.item import known_by
from ..operate.said import SaidLine, Span, recorded, said_about, said_between
from ..operate.topics import Seen
from ..project import Project
from ..storage import dead_letters
from ..storage.inspection import table_version
from ..storage.store import Settlement
from .feed import Feed

_TEXT = re.compile(r"^(?P<time>\S+) (?P<level>[A-Z]+) +(?P<event>.*?)(?:  (?P<fields>\S+=.*))?$")
"""A line as `TextFormatter` writes it."""

_AROUND = 0.1
"""Seconds around an attempt in which a line may be read that belongs to it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one consumer, as its log line tells."""

    consumer: str
    number: int
    began: float
    ended: float
    outcome: str
    error: str


def tell(project: Project, feed: Feed, seen: Seen, topics: Sequence[str]) -> Story:
    """Everything about *seen*; *topics* are where follow-ups may be."""
    # In this order: what the log tells of has been committed, and so is found in the inbox.
    about = said_about(project.data, seen.id)
    settled = settlements(project, seen.source, seen.id)
    attempts = [found for line in about if (found := _attempt(line))]
    steps = [_moment("Published", seen.published, "idle", f"to {seen.topic}, "
                     f"by {seen.source or 'no source'}")]  # fmt: skip
    for consumer in sorted({s.consumer for s in settled} | {a.consumer for a in attempts}):
        tries = [attempt for attempt in attempts if attempt.consumer == consumer]
        steps += _handled(project, seen, consumer, tries, settled)
        steps += _follow_ups(feed, seen, consumer, topics)
    steps.sort(key=lambda step: (step.began, step.ended))
    event = event_line(seen, _state(settled))
    return Story(event, tuple(steps), tuple(_log(project.data, about)),
                 recorded(project.data))  # fmt: skip


def event_line(seen: Seen, state: str) -> EventLine:
    """*seen* as the page shows it."""
    state = "cannot be read" if seen.problem else state
    return EventLine(
        seen.topic, seen.id, seen.source, seen.published, seen.type, state, seen.data, seen.problem
    )


def settlements(project: Project, source: str, id: str) -> list[Settlement]:
    """What every consumer did with one event."""
    found: dict[str, Settlement] = {}
    key = known_by(source), known_by(id)
    for name in project.file.services:
        if table_version(project.database(name)):
            found.update({one.consumer: one for one in project.store(name).story(*key)})
    return list(found.values())


def worst(states: Iterable[str]) -> str:
    """The state that says most about the whole: dead before parked before waiting."""
    there = set(states)
    return next((s for s in ("dead", "parked", "waiting", "applied") if s in there), "")


def _state(settled: Sequence[Settlement]) -> str:
    return worst([one.state for one in settled]) or "waiting"


def _handled(
    project: Project, seen: Seen, consumer: str, tries: Sequence[Attempt],
    settled: Sequence[Settlement],
) -> Iterable[Step]:  # fmt: skip
    for one in tries:
        tone: Tone = "good" if one.outcome == "applied" else "warn" if one.error else "idle"
        if one.outcome == "dead":
            tone = "bad"
        title = f"{consumer}, attempt {one.number}"
        yield Step(title, one.began, one.ended, tone, one.error)
    for last in settled:
        if last.consumer != consumer:
            continue
        if last.state == "applied":
            words = f"after {plural(last.attempts, 'failed attempt')}" if last.attempts else ""
            # The inbox has when the transaction began; what tells of an attempt, that it is over.
            at = max(last.at, *(one.ended for one in tries), seen.published)
            yield _moment(f"{consumer} committed", at, "good", words)
            continue
        traceback = _traceback(project, consumer, seen)
        yield _moment(f"{consumer} {'gave up' if last.state == 'dead' else 'will try again'}",
                      max(last.at, *(one.ended for one in tries), seen.published),
                      "bad" if last.state == "dead" else "warn", last.error, traceback)  # fmt: skip


def _traceback(project: Project, consumer: str, seen: Seen) -> str:
    database = project.database(consumer.partition("/")[0])
    letters = dead_letters.find(database, known_by(seen.id))
    return next((one.traceback for one in letters if one.consumer == consumer), "")


def _follow_ups(feed: Feed, seen: Seen, consumer: str, topics: Sequence[str]) -> Iterable[Step]:
    service = consumer.partition("/")[0]
    for topic, id in follow_up_ids(cause_of(consumer, seen.source, seen.id), topics):
        after = feed.find(id, service)
        if after is not None:
            path = event_path(after.id, after.source)
            yield _moment(f"Follow-up on {topic}", after.published, "good", f"by {consumer}",
                          href=path)  # fmt: skip


def _moment(
    title: str, at: float, tone: Tone, words: str = "", detail: str = "", href: str = ""
) -> Step:
    return Step(title, at, at, tone, words, href, detail)


def _attempt(line: SaidLine) -> Attempt | None:
    """The try that a line of the `workerkit.events` log tells of."""
    told = _fields(line.text)
    if not {"worker", "event_id", "attempt", "duration_s"} <= told.keys():
        return None
    service = line.who.partition(" ")[0]
    outcome = {"event given up on": "dead", "event failed and will be tried again": "parked"}
    text = str(told.get("event", ""))
    return Attempt(
        f"{service}/{told['worker']}", int(told["attempt"]),
        line.at - float(told["duration_s"]),
        line.at,
        outcome.get(text, text.removeprefix("event ")), str(told.get("error", "")),
    )  # fmt: skip


def _fields(text: str) -> dict[str, Any]:
    if text.startswith("{"):
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}
    match = _TEXT.match(text)
    if match is None:
        return {}
    pairs = re.findall(r"(\w+)=(.*?)(?= \w+=|$)", match["fields"] or "")
    return {"event": match["event"], **dict(pairs)}


def _log(data: Path, about: Sequence[SaidLine]) -> list[Line]:
    """Lines about the event, and what else its process said while it handled it.

    Left out is what names another event.
    """
    spans = [
        Span(line.who, told.began - _AROUND, line.at) for line in about if (told := _attempt(line))
    ]
    around = {line for lines in said_between(data, spans) for line in lines}
    others = {line for line in around if "event_id" not in _fields(line.text)}
    every = sorted({*about, *others}, key=lambda line: (line.at, line.who, line.text))
    return [Line(line.at, line.who, shown(line.text)) for line in every]


def shown(text: str) -> str:
    """A line of JSON as people read it; any other as it is."""
    told = _fields(text) if text.startswith("{") else {}
    if "event" not in told:
        return text
    hidden = ("ts", "level", "event", "service", "logger", "traceback")
    rest = " ".join(f"{key}={value}" for key, value in told.items() if key not in hidden)
    trace = f"\n{told['traceback']}" if "traceback" in told else ""
    return f"{told.get('level', '')} {told['event']}  {rest}".rstrip() + trace
