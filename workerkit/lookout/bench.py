"""Chaos scenarios and load tests that the page starts: one at a time, watched, and kept."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ..chaos.catalogue import SCENARIOS
from ..chaos.course import Seen
from ..chaos.journal import write_journal
from ..chaos.kept import FOLDER
from ..chaos.left import clean_up
from ..chaos.report import page
from ..core.loading import unknown
from ..dashboard.model import Offer, Trial, Trials
from ..errors import ConfigurationError, StartStopError, WorkerkitError
from ..loadtest.generator import Load
from ..loadtest.measured import Second
from ..loadtest.run import Run, new_id
from ..project import Project
from ..trial.apis import Asked, load_apis
from ..trial.breaking import keep, play_at, scenario_of
from ..trial.judge import Demands
from ..trial.place import LoadOf, opened_place
from ..trial.topics import Published, load_topics
from .kept import course_curves, past, second_curves

log = logging.getLogger("workerkit.bench")

COUNT = 1000
"""Events that a load test of events publishes: what the users' own check demands."""

LOAD = Load(rate=200.0, duration=10.0, warm_up=1.0)

LOADS = (
    Offer("events", f"Publish {COUNT:,} events to each topic, until all effects are committed."),
    Offer("api", f"Ask every API {LOAD.rate:.0f} times a second for {LOAD.duration:.0f} s."),
)


@dataclass
class _Running:
    """What runs, as far as it has come; written by its own thread alone."""

    trial: Trial
    course: list[Seen] = field(default_factory=list)
    seconds: list[Second] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


class Bench:
    """Runs trials on *project*, one at a time."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._offers: tuple[Offer, ...] | None = None
        self._failed: Trial | None = None

    def play(self, name: str) -> str:
        """Start scenario *name*, in its short form.

        Raises:
            ConfigurationError: There is none of that name.
            StartStopError: Something runs already.
        """
        scenario_of(name)
        self._start(Trial(new_id(name), "chaos", name, time.time(), 0.0, ""), self._play)
        return f"Started {name}."

    def load(self, name: str) -> str:
        """Start the load test *name*; see `play`."""
        works = {"api": self._load_apis, "events": self._load_events}
        if name not in works:
            raise ConfigurationError(unknown("load test", name, works))
        trial = Trial(new_id(name), "load", f"load on {name}", time.time(), 0.0, "")
        self._start(trial, works[name])
        return f"Started a load test of {name}."

    def stop(self) -> str:
        """Ask the running load test to end; a scenario ends by itself."""
        running = self._running
        if running is None:
            return "Nothing runs."
        running.stop.set()
        return f"Asked {running.trial.title} to end."

    def trials(self) -> Trials:
        """What runs, what is kept, what there is."""
        kept = past(self._project.data)
        failed = (self._failed,) if self._failed else ()
        return Trials(self.running(), (*failed, *kept), self._scenarios(), LOADS)

    def running(self) -> Trial | None:
        """What runs, with its curves so far."""
        running = self._running
        if running is None:
            return None
        trial = replace(running.trial, seconds=time.time() - running.trial.at)
        if running.course:
            last = running.course[-1]
            figures = (("published", f"{last.published:,}"), ("settled", f"{last.settled:,}"),
                       ("waiting", f"{last.lag:,}"))  # fmt: skip
            return replace(trial, phase=last.phase, figures=figures,
                           curves=course_curves(running.course))  # fmt: skip
        return replace(trial, curves=second_curves(running.seconds))

    def find(self, id: str) -> Trial | None:
        """The one of that id that is kept, or has just failed to start."""
        there = [self._failed] if self._failed else []
        there += past(self._project.data)
        return next((trial for trial in there if trial.id == id), None)

    def _start(self, trial: Trial, work: Callable[[_Running], None]) -> None:
        with self._lock:
            if self._running is not None:
                raise StartStopError(f"{self._running.trial.title} is still running")
            self._failed = None
            self._running = running = _Running(trial)
        threading.Thread(target=self._run, args=(running, work), name="bench", daemon=True).start()

    def _run(self, running: _Running, work: Callable[[_Running], None]) -> None:
        try:
            work(running)
        except (Exception, KeyboardInterrupt) as error:  # the project's own code runs here too
            if not isinstance(error, WorkerkitError | KeyboardInterrupt):
                log.exception("a trial failed", extra={"trial": running.trial.id})
            why = str(error) or "it was stopped before it had begun"
            seconds = time.time() - running.trial.at
            self._failed = replace(running.trial, seconds=seconds, result="not proven",
                                   reasons=(why,))  # fmt: skip
        finally:
            self._running = None

    def _play(self, running: _Running) -> None:
        clean_up()
        scenario = scenario_of(running.trial.title)
        with opened_place(self._project.folder, scenario.mode, None) as place:
            played = play_at(place, scenario, LoadOf(quick=True), running.course.append)
            keep(place, played)
        results = [(played.scenario, played.verdict, played.began, played.seconds)]
        write_journal(self._project.data / FOLDER / running.trial.id, results, page(results))

    def _load_events(self, running: _Running) -> None:
        load_topics(self._project, _Heard(running), Published(COUNT), Demands())

    def _load_apis(self, running: _Running) -> None:
        load_apis(self._project, _Heard(running), Asked(), LOAD, Demands())

    def _scenarios(self) -> tuple[Offer, ...]:
        """Every scenario, and why one cannot be played here; found out once."""
        if self._offers is None:
            found: dict[str, Offer] = {}
            modes = {scenario.mode for scenario in SCENARIOS}
            for mode in modes:
                with opened_place(self._project.folder, mode, None) as place:
                    for one in SCENARIOS:
                        if one.mode == mode:
                            found[one.name] = Offer(one.name, one.words, place.unfit(one))
            self._offers = tuple(found[one.name] for one in SCENARIOS)
        return self._offers


class _Heard:
    """See `trial.telling.Telling`: keeps what it hears for the page."""

    def __init__(self, running: _Running) -> None:
        self._running = running
        self.stop = running.stop

    @contextmanager
    def live(self, what: str, load: Load) -> Iterator[Callable[[Second], object]]:
        """Remember each second of this run; the next one begins anew."""
        self._phase(what)
        self._running.seconds = []
        yield self._running.seconds.append

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[int], object]]:
        """Say how many are done."""
        self._phase(what)
        yield lambda done: self._phase(f"{what}: {done:,} of {total:,}")

    def warn(self, text: str) -> None:
        """Add it to what is told of the trial."""
        trial = self._running.trial
        self._running.trial = replace(trial, reasons=(*trial.reasons, text))

    def done(self, run: Run) -> None:
        """It is kept, so it shows up among the past ones."""

    def _phase(self, text: str) -> None:
        self._running.trial = replace(self._running.trial, phase=text)
