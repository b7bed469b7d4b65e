"""What the page shows, and the two seams through which it looks and acts.

All times are epoch seconds, all durations seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..cron.ledger import Run

Tone = Literal["good", "warn", "bad", "idle"]
"""How something is; shown as a colour, and always in words or a shape as well."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong now, and where one goes on from there."""

    text: str
    tone: Tone
    href: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A box of the drawing; `href` leads on, `facts` are short lines, `trend` are rates."""

    id: str
    kind: Literal["source", "topic", "service"]
    name: str
    tone: Tone
    facts: tuple[str, ...] = ()
    trend: tuple[float, ...] = ()
    href: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """Events on their way from a node to another; `rate` a second, None while unknown."""

    start: str
    end: str
    rate: float | None
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """One worker, or one job, in one process; `trend` are its latest rates."""

    service: str
    name: str
    kind: str
    port: int
    status: str
    tone: Tone
    rate: float | None
    lag: int
    oldest: float
    processed: int
    failed: int
    trend: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything at one moment; `parked`, `dead` and `outbox` count over all services."""

    troubles: tuple[Trouble, ...]
    nodes: tuple[Node, ...]
    flows: tuple[Flow, ...]
    workers: tuple[WorkerLine, ...]
    rate: float
    lag: int
    parked: int
    dead: int
    outbox: int
    trend: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event; `state` is applied, parked, dead, waiting, or empty when nobody listens.

    `problem` tells why its envelope cannot be read.
    """

    topic: str
    id: str
    source: str
    published: float
    type: str
    state: str
    data: Any
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """The latest events, newest first.

    `topics` are all that there are, `topic` is the chosen one or empty;
    `at_most` is how many a second are looked at when there are more than that
    now, else None: then what is here is a sample.
    """

    events: tuple[EventLine, ...]
    topics: tuple[str, ...]
    topic: str
    at_most: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to an event, from `began` to `ended`; equal for a moment."""

    title: str
    began: float
    ended: float
    tone: Tone
    words: str = ""
    href: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that a process said."""

    at: float
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one event; `recorded` says whether log lines are kept here."""

    event: EventLine
    steps: tuple[Step, ...]
    lines: tuple[Line, ...]
    recorded: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """What an event of `topic` looks like: `schema` is its JSON schema, `data` an example.

    `consumers` will take it. `schema` is empty when any data will do; `problem`
    tells why there is no example.
    """

    topic: str
    schema: Mapping[str, Any]
    data: Any
    consumers: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job with its latest runs, newest first, and its next ticks."""

    name: str
    schedule: str
    words: str
    zone: str
    next: tuple[float, ...]
    paused_by: str | None
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """The runs of one job, newest first, and what was said during the latest of them, by tick."""

    job: JobLine
    lines: Mapping[float, Sequence[Line]]
    recorded: bool


@dataclass(frozen=True, slots=True)
class LetterLine:
    """An event that one consumer did not settle; `due` is None for a dead letter."""

    consumer: str
    id: str
    source: str
    topic: str
    attempts: int
    error: str
    traceback: str
    published: float
    due: float | None
    data: Any


@dataclass(frozen=True, slots=True)
class Letters:
    """Some of `total` letters; `parked` ones wait for another try, the others are dead."""

    letters: tuple[LetterLine, ...]
    total: int
    parked: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """A chart: lines of (seconds since the beginning, value), the faults as bands."""

    title: str
    unit: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    bands: Sequence[tuple[float, float, str]] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """A chaos scenario or a load test, running or over.

    `result` is pass, fail or not proven, empty while it runs; `phase` is where
    it is then; `figures` are (name, value) as people read them.
    """

    id: str
    kind: Literal["chaos", "load"]
    title: str
    at: float
    seconds: float
    result: str
    phase: str = ""
    reasons: tuple[str, ...] = ()
    figures: tuple[tuple[str, str], ...] = ()
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be started: a scenario or a load test; `unfit` tells why it cannot."""

    name: str
    words: str
    unfit: str = ""


@dataclass(frozen=True, slots=True)
class Trials:
    """What runs, what is kept (newest first), and what there is to start."""

    running: Trial | None
    past: tuple[Trial, ...]
    scenarios: tuple[Offer, ...]
    loads: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Todo:
    """One thing that the project needs; `way_out` is the command, or the deed, that settles it.

    `state` is done, open, unseen (cannot be told here) or person (waits for one).
    """

    id: str
    title: str
    state: str
    fact: str
    way_out: str


@dataclass(frozen=True, slots=True)
class Milestone:
    """Things that belong together."""

    title: str
    items: tuple[Todo, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the project is, as it was found at `at`; `looking` while it is looked at anew."""

    at: float
    milestones: tuple[Milestone, ...]
    looking: bool


class Looks(Protocol):
    """What the page asks; nothing of it changes anything.

    Every method may raise a WorkerkitError, which is shown in place of the view.
    """

    name: str

    def overview(self) -> Overview:
        """The system now."""

    def stream(self, topic: str) -> Stream:
        """The latest events, of *topic* alone when it is not empty."""

    def story(self, id: str, source: str) -> Story | None:
        """One event; None when it was never seen here."""

    def topics(self) -> Sequence[str]:
        """The topics that somebody listens to."""

    def draft(self, topic: str) -> Draft:
        """What can be published to *topic*."""

    def jobs(self) -> Sequence[JobLine]:
        """Every job."""

    def past(self, job: str) -> Past:
        """One job."""

    def letters(self, parked: bool) -> Letters:
        """The dead letters, latest first, or the *parked* events, next first."""

    def letter(self, id: str) -> Sequence[LetterLine]:
        """One event that failed, by the consumers on which it did."""

    def trials(self) -> Trials:
        """Chaos and load."""

    def trial(self, id: str) -> Trial | None:
        """One that runs or is kept."""

    def progress(self) -> Progress:
        """How far the project is."""


@dataclass(frozen=True, slots=True)
class Actions:
    """What the page does when asked to; each returns a sentence about it, or raises.

    `publish` takes a topic and data, and returns the event's id; `correct` replays one event
    with other data.
    """

    publish: Callable[[str, Any], str]
    trigger: Callable[[str], str]
    pause: Callable[[str], str]
    resume: Callable[[str], str]
    replay: Callable[[Sequence[str]], str]
    replay_all: Callable[[], str]
    correct: Callable[[str, Any], str]
    drop: Callable[[Sequence[str]], str]
    play: Callable[[str], str]
    load: Callable[[str], str]
    stop: Callable[[], str]
