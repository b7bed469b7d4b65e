"""What the page asks of a project."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from ..acceptance.checklist import checklist
from ..core.loading import unknown
from ..core.supervisor import Supervisor
from ..cron.line import Entry
from ..dashboard.model import (
    Draft,
    EventLine,
    JobLine,
    LetterLine,
    Letters,
    Line,
    Overview,
    Past,
    Progress,
    Story,
    Stream,
    Trial,
    Trials,
)  # fmt: skip
from ..errors import ConfigurationError, StorageError
from ..events.example import example_payload, payload_schema
from ..events.item import known_by
from ..events.worker import payload_type, worker_name
from ..operate.jobs import Job, describe_jobs
from ..operate.letters import Letter, find_letters, list_letters
from ..operate.said import Span, recorded, said_between
from ..operate.status import Status, look
from ..operate.topics import Seen
from ..project import Project
from ..publisher import event_workers
from ..storage.database import Database
from ..storage.inspection import settlements as settlements_of
from ..storage.inspection import table_version
from ..storage.runs import SqlLedger
from .bench import Bench
from .feed import AT_MOST, Feed
from .progress import Examiner
from .pulse import Pulse
from .scenery import Wiring, overview
from .waterfall import event_line, tell, worst

SHOWN = 100
"""Events, and runs of a job, that a view shows."""

LETTERS = 200
"""Letters that a view shows."""

LOGGED = 10
"""Runs of a job whose log is shown."""

AROUND = 0.1
"""Seconds around a run in which a line may be read that belongs to it."""

NEXT = 12
"""Coming ticks of a job that are drawn."""


class Lookout:
    """See `dashboard.model.Looks`. Start `workers` before the first question.

    It reads what the processes record and tell anyway. With *experiments*
    chaos and load can be started here.
    """

    def __init__(self, project: Project, *, experiments: bool = False) -> None:
        self.project = project
        self.name = project.file.name
        self.feed = Feed(project.transport)
        self.pulse = Pulse(self._look, self._jobs)
        self.examiner = Examiner(lambda: checklist(project))
        self.bench = Bench(project) if experiments else None
        self.workers = Supervisor([self.feed, self.pulse], name="lookout")
        self.wiring = _wiring(project)

    def overview(self) -> Overview:
        """The system now."""
        return overview(self.pulse.beat(), self.feed, self.wiring)

    def stream(self, topic: str) -> Stream:
        """The latest events."""
        events = self.feed.events(topic, SHOWN)
        sampled = self.feed.sampled()
        many = topic in sampled if topic else bool(sampled)
        topics = {topic for _, topic in self.feed.flows()} | set(self.wiring.topics)
        return Stream(tuple(self._lines(events)), tuple(sorted(topics)), topic,
                      AT_MOST if many else None)  # fmt: skip

    def story(self, id: str, source: str) -> Story | None:
        """One event; also one that is only known because it failed."""
        seen = self.feed.find(id, source) or self._failed(id, source)
        if seen is None:
            return None
        topics = {topic for _, topic in self.feed.flows()}
        told = tell(self.project, self.feed, seen, sorted(topics))
        if told.event.state == "waiting" and not self._heard(seen.topic):
            return Story(event_line(seen, ""), told.steps, told.lines, told.recorded)
        return told

    def topics(self) -> Sequence[str]:
        """The topics that somebody listens to."""
        return self.wiring.topics

    def draft(self, topic: str) -> Draft:
        """What can be published to *topic*."""
        consumers = tuple(f"{s}/{w}" for s, w, other in self.wiring.workers if other == topic)
        if not consumers:
            raise ConfigurationError(unknown("topic", topic, self.topics()))
        model = next(
            payload_type(type(worker))
            for _, worker in event_workers(self.project)[0]
            if worker.topic == topic
        )
        try:
            schema = payload_schema(model)
            return Draft(topic, schema, example_payload(model), consumers)
        except ConfigurationError as error:
            return Draft(topic, {}, {}, consumers, str(error))

    def jobs(self) -> Sequence[JobLine]:
        """Every job."""
        entries = self._entries()
        ledgers = self.project.ledgers(entries)
        return [_job(each, ledgers) for each in describe_jobs(entries, ledgers, time.time(), NEXT)]

    def past(self, job: str) -> Past:
        """One job, and what was said while it ran."""
        entries = {name: entry for name, entry in self._entries().items() if name == job}
        if not entries:
            raise ConfigurationError(unknown("job", job, sorted(self._entries())))
        ledgers = self.project.ledgers(entries)
        (described,) = describe_jobs(entries, ledgers, time.time(), NEXT)
        line = _job(described, ledgers)
        return Past(line, self._said(line), recorded(self.project.data))

    def letters(self, parked: bool) -> Letters:
        """The dead letters, or the parked events."""
        found = list_letters(self.databases(), parked=parked, limit=LETTERS)
        return Letters(tuple(_letter(each) for each in found.letters), found.total, parked)

    def letter(self, id: str) -> Sequence[LetterLine]:
        """One event that failed."""
        return [_letter(each) for each in find_letters(self.databases(), id)]

    def trials(self) -> Trials:
        """Chaos and load."""
        return self.bench.trials() if self.bench else Trials(None, (), (), ())

    def trial(self, id: str) -> Trial | None:
        """One that is kept."""
        return self.bench.find(id) if self.bench else None

    def progress(self) -> Progress:
        """How far the project is."""
        return self.examiner.progress()

    def databases(self) -> dict[str, Database]:
        """Every service's, by its name."""
        return {name: self.project.database(name) for name in self.project.file.services}

    def _look(self) -> Status:
        try:
            members = self.project.state.members()
        except StorageError:
            members = []
        return look(self.project.file, self.project.environment.worker_host, members)

    def _jobs(self) -> Sequence[Job]:
        """Every job; without what became of it when a database cannot be read."""
        entries = self._entries()
        try:
            return describe_jobs(entries, self.project.ledgers(entries), time.time(), 1)
        except StorageError:
            return describe_jobs(entries, {}, time.time(), 1)

    def _entries(self) -> dict[str, Entry]:
        """The jobs of every service that could be wired."""
        found: dict[str, Entry] = {}
        for name in self.wiring.services:
            found.update(self.project.jobs(name))
        return found

    def _said(self, job: JobLine) -> dict[float, list[Line]]:
        """By tick, what the processes of *job*'s service said while its latest runs lasted."""
        service = job.name.partition("/")[0]
        runs = [run for run in job.runs[:LOGGED] if run.state != "skipped"]
        spans = [
            Span(f"{service} ", run.started - AROUND, (run.ended or time.time()) + AROUND)
            for run in runs
        ]
        said = said_between(self.project.data, spans)
        return {
            run.tick: [Line(each.at, each.who, each.text) for each in lines]
            for run, lines in zip(runs, said, strict=True)
        }

    def _heard(self, topic: str) -> bool:
        return topic in self.wiring.topics

    def _lines(self, events: Sequence[Seen]) -> list[EventLine]:
        """*events* with what became of them: one question a consumer and source."""
        states: dict[tuple[str, str], list[str]] = {}
        for service, worker, topic in self.wiring.workers:
            ours = [seen for seen in events if seen.topic == topic]
            by_source: dict[str, list[str]] = {}
            for seen in ours:
                by_source.setdefault(seen.source, []).append(seen.id)
            for source, ids in by_source.items():
                found = self._settled(service, f"{service}/{worker}", source, ids)
                for id in ids:
                    states.setdefault((source, id), []).append(found.get(id, "waiting"))
        return [event_line(seen, worst(states.get((seen.source, seen.id), ()))) for seen in events]

    def _settled(
        self, service: str, consumer: str, source: str, ids: Sequence[str]
    ) -> dict[str, str]:
        database = self.project.database(service)
        if not table_version(database):
            return {}
        found = settlements_of(database, consumer, known_by(source), [known_by(id) for id in ids])
        return {id: found[known_by(id)].state for id in ids if known_by(id) in found}

    def _failed(self, id: str, source: str) -> Seen | None:
        """An event that the feed has not seen, from the letter that kept it."""
        for each in self.letter(id):
            if source in ("", each.source):
                return Seen(each.topic, "", each.published, id, each.source, "", "", each.data)
        return None


def _wiring(project: Project) -> Wiring:
    """Who listens to what; a service that cannot be wired costs only itself."""
    workers, warnings = event_workers(project)
    wired: list[str] = []
    for name in project.file.services:
        try:
            project.service(name)
        except Exception:  # event_workers has told why, whatever the project's code raised
            continue
        wired.append(name)
    told = [(name, worker_name(worker), worker.topic) for name, worker in workers]
    return Wiring(wired, told, warnings)


def _job(job: Job, ledgers: Mapping[str, SqlLedger]) -> JobLine:
    ledger = ledgers.get(job.name.partition("/")[0])
    runs = ledger.history(job.name, SHOWN) if ledger else []
    times = tuple(datetime.fromisoformat(text).timestamp() for text in job.next)
    return JobLine(job.name, job.schedule, job.words, job.zone, times, job.paused_by, tuple(runs))


def _letter(letter: Letter) -> LetterLine:
    return LetterLine(
        letter.consumer, letter.id, letter.source, letter.topic, letter.attempts, letter.error,
        letter.traceback, letter.published, letter.due, letter.data,
    )  # fmt: skip
