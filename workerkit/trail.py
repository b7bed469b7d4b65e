"""One trace from our own records: what lies in the topics, the inboxes, and the runs of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from .core.trace import of_run, trace_id
from .cron.ledger import Run
from .errors import ConfigurationError, InvalidPayload
from .events.envelope import Event, cause_of, decode, follow_up_ids
from .events.item import known_by
from .events.worker import worker_name
from .project import Project
from .publisher import event_workers
from .storage.dead_letters import list_parked
from .storage.inspection import settlements, sources_of, table_version
from .storage.store import Settlement

_PAGE = 1000
_RUNS = 1000
_PARKED = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a trace; times in epoch seconds, None when nobody wrote them down.

    `what` is `publish` (of an event on topic `name`, by `by`), `handle` (by the
    consumer `name`) or `run` (of the job `name`). A `handle` lasts from the
    publication until the transaction that settled the event began: that is its
    wait, retries included. The `publish` of a follow-up lasts from there until
    the broker had it: handler and commit; of any other event it is a moment.
    `outcome` of a `publish` is empty. `depth` counts the causes above it.
    """

    what: str
    name: str
    id: str
    depth: int
    began: float | None
    ended: float | None
    outcome: str = ""
    attempts: int = 0
    error: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Trail:
    """A trace, causes before what they caused; `warnings` tell what could not be looked at."""

    trace_id: str
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]

    @property
    def began(self) -> float:
        """The first moment that is known."""
        return min(moment for step in self.steps for moment in _moments(step))

    @property
    def seconds(self) -> float:
        """From there to the last one."""
        return max(moment for step in self.steps for moment in _moments(step)) - self.began


@dataclass(frozen=True, slots=True)
class _Known:
    """An event of the trace; `published` None when only an inbox still knows it."""

    event: Event
    published: float | None


def find_trail(project: Project, name: str) -> Trail:
    """The trace with the id *name*, or the one that the event with id *name* belongs to.

    A topic forgets what all of its groups have settled. What came of such an
    event is found all the same, as its follow-ups' ids derive from its own.

    Raises:
        ConfigurationError: Nobody knows such an event or trace.
        StorageError: The broker or a database cannot be read.
    """
    search = _Search(project, name)
    steps = list(search.steps())
    if not any(moment for step in steps for moment in _moments(step)):
        raise ConfigurationError(
            f"no event and no trace {name!r} in the topics and inboxes of this project; "
            "logs have both ids, `workerkit events tail` shows events as they come"
        )
    return Trail(search.trace, tuple(steps), tuple(search.warnings))


class _Search:
    """Follows one trace from its first event to what came of it."""

    def __init__(self, project: Project, name: str) -> None:
        self.project = project
        workers, self.warnings = event_workers(project)
        self.consumers: dict[str, list[str]] = {}
        for service, worker in workers:
            consumer = f"{service}/{worker_name(worker)}"
            self.consumers.setdefault(worker.topic, []).append(consumer)
        self.readable = {
            service: table_version(project.database(service)) > 0
            for service in project.file.services
        }
        self.topics = sorted({*self.consumers, *project.transport.topics()})
        forgotten = list(self._remembered(name))
        wanted = {name, *(id for known in forgotten for id in self._may_have_caused(known.event))}
        named = next((known for known in self._kept() if known.event.id in wanted), None)
        self.trace = named.event.trace_id if named else trace_id("", name) if forgotten else name
        self.known = {known.event.id: known for known in forgotten}
        self.known |= {k.event.id: k for k in self._kept() if k.event.trace_id == self.trace}
        self.told: set[str] = set()

    def steps(self) -> Iterator[Step]:
        """Every step, causes first, siblings by time."""
        caused = {id for known in self.known.values() for id in self._may_have_caused(known.event)}
        roots = [known for id, known in self.known.items() if id not in caused]
        run = self._run(roots)
        if run is not None:
            moment = datetime.fromtimestamp(run.tick, UTC).isoformat()
            ended = run.ended or None
            yield Step("run", run.job, moment, 0, run.started, ended, run.state,
                       error=run.reason, by=run.job.partition("/")[0])  # fmt: skip
        for root in sorted(roots, key=lambda known: known.published or 0.0):
            yield from self._event(root, run.started if run else None, 1 if run else 0)

    def _event(self, known: _Known, since: float | None, depth: int) -> Iterator[Step]:
        event = known.event
        if event.id in self.told:
            return
        self.told.add(event.id)
        published = known.published
        began = since if published is not None and since is not None else published
        yield Step("publish", event.topic, event.id, depth, began, published, by=event.source)
        for consumer in self.consumers.get(event.topic, ()):
            settled = self._settled(consumer, event.source, [event.id]).get(known_by(event.id))
            yield _handled(consumer, event.id, depth + 1, published, settled)
            if settled is not None and settled.state == "applied":
                for follow_up in self._caused_by(consumer, event):
                    yield from self._event(follow_up, settled.at, depth + 2)

    def _caused_by(self, consumer: str, event: Event) -> list[_Known]:
        """What *consumer* published because of *event*, by time."""
        source = consumer.partition("/")[0]
        possible: dict[str, list[str]] = {}
        for topic, id in self._follow_ups(consumer, event):
            possible.setdefault(topic, []).append(id)
        found = []
        for topic, ids in possible.items():
            found += [self.known[id] for id in ids if id in self.known]
            found += self._forgotten(topic, source, [id for id in ids if id not in self.known])
        return sorted(found, key=lambda known: known.published or 0.0)

    def _forgotten(self, topic: str, source: str, ids: Sequence[str]) -> list[_Known]:
        """Those of *ids* that a consumer of *topic* has settled, though the topic has them not."""
        settled: set[str] = set()
        for consumer in self.consumers.get(topic, ()):
            settled.update(self._settled(consumer, source, ids))
        return [
            _Known(Event(topic, None, id=id, source=source), None)
            for id in ids
            if known_by(id) in settled
        ]

    def _follow_ups(self, consumer: str, event: Event) -> Iterator[tuple[str, str]]:
        return follow_up_ids(cause_of(consumer, event.source, event.id), self.topics)

    def _may_have_caused(self, event: Event) -> Iterator[str]:
        for consumer in self.consumers.get(event.topic, ()):
            yield from (id for _, id in self._follow_ups(consumer, event))

    def _settled(self, consumer: str, source: str, ids: Sequence[str]) -> dict[str, Settlement]:
        service = consumer.partition("/")[0]
        if not self.readable[service]:
            return {}
        names = [known_by(id) for id in ids]
        return settlements(self.project.database(service), consumer, known_by(source), names)

    def _kept(self) -> Iterator[_Known]:
        """What lies in the topics, and what is parked."""
        browser = self.project.transport
        for topic in browser.topics():
            after = ""
            while page := browser.read(topic, after, _PAGE):
                after = page[-1].entry
                for delivery in page:
                    yield from _read(delivery.body, topic, delivery.entry, delivery.published)
        for service, readable in self.readable.items():
            if readable:
                for letter in list_parked(self.project.database(service), dead=None, limit=_PARKED):
                    yield from _read(letter.body, letter.topic, letter.id, letter.published)

    def _remembered(self, id: str) -> Iterator[_Known]:
        """Event *id* as the inboxes know it, also once its topic has forgotten it."""
        topics = {name: topic for topic, names in self.consumers.items() for name in names}
        for service, readable in self.readable.items():
            if readable:
                for consumer, source in sources_of(self.project.database(service), known_by(id)):
                    if consumer in topics:
                        yield _Known(Event(topics[consumer], None, id=id, source=source), None)

    def _run(self, roots: Sequence[_Known]) -> Run | None:
        """The run of a job that published *roots*, when one did."""
        wanted = f"00-{self.trace}-"
        if not any(root.event.traceparent.startswith(wanted) for root in roots):
            return None
        for service in {root.event.source for root in roots} & set(self.project.file.services):
            if not self.readable[service]:
                continue
            ledger = self.project.ledger(service)
            for job in ledger.rows():
                for run in ledger.history(job, _RUNS):
                    if of_run(run.job, run.tick, run.token).startswith(wanted):
                        return replace(run, traceback="")
        return None


def _read(body: bytes, topic: str, entry: str, published: float) -> Iterator[_Known]:
    try:
        yield _Known(decode(body, topic, entry), published)
    except InvalidPayload:
        return


def _handled(
    consumer: str, id: str, depth: int, published: float | None, settled: Settlement | None
) -> Step:
    if settled is None:
        return Step("handle", consumer, id, depth, published, None, "waiting")
    tries = settled.attempts + (settled.state == "applied")
    return Step(
        "handle", consumer, id, depth, published, settled.at, settled.state, tries, settled.error
    )


def _moments(step: Step) -> list[float]:
    return [moment for moment in (step.began, step.ended) if moment]
