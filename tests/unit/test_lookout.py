"""What the dashboard knows of a project: the feed, the kept lines, stories, and what is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import orjson
import pytest

from workerkit.chaos.course import Seen as Look
from workerkit.chaos.journal import write_journal
from workerkit.chaos.kept import Kept, Verdicts
from workerkit.chaos.verdict import Verdict
from workerkit.cron.ledger import Run
from workerkit.dashboard.model import Milestone, Progress
from workerkit.errors import ConfigurationError, StartStopError, StorageError, WorkerkitError
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.lookout import feed as feeds
from workerkit.lookout.bench import Bench
from workerkit.lookout.feed import Feed
from workerkit.lookout.kept import course_curves, latencies, past
from workerkit.lookout.progress import Examiner
from workerkit.lookout.pulse import ALONE, Beat, Pulse
from workerkit.lookout.scenery import Wiring, overview
from workerkit.lookout.waterfall import _attempt, shown
from workerkit.operate import said
from workerkit.operate.checklist import Checklist, Day
from workerkit.operate.jobs import Job
from workerkit.operate.said import SaidFile, SaidLine, Span, said_about, said_between
from workerkit.operate.status import ProcessStatus, Status, WorkerStatus
from workerkit.operate.top import Row, Scene
from workerkit.operate.topics import Seen
from workerkit.transports.memory import MemoryTransport


@pytest.fixture
def broker() -> MemoryTransport:
    return MemoryTransport()


def publish(broker: MemoryTransport, *ids: str, topic: str = "t", source: str = "web") -> None:
    broker.publish([Message(topic, encode(Event(topic, {}, id=id, source=source))) for id in ids])


def ids(feed: Feed, topic: str = "") -> list[str]:
    return [seen.id for seen in feed.events(topic, 1000)]


def test_the_feed_shows_what_was_there_and_what_comes_newest_first(broker):
    publish(broker, "a", "b")
    feed = Feed(broker)
    feed.look()
    publish(broker, "c")
    publish(broker, "d", topic="u")
    feed.look()
    feed.look()
    assert ids(feed) == ["d", "c", "b", "a"]
    assert ids(feed, "u") == ["d"]
    assert broker.topics() == {"t": [], "u": []}


def test_the_feed_jumps_over_what_is_too_much_and_says_so(broker):
    feed = Feed(broker)
    publish(broker, "first")
    feed.look()
    publish(broker, *(f"e{n}" for n in range(5 * feeds.PAGE)))
    assert feed.sampled() == set()
    feed.look()
    assert feed.sampled() == {"t"}
    publish(broker, "last")
    feed.look()
    assert ids(feed) == ["last", *(f"e{n}" for n in reversed(range(feeds.PAGE))), "first"]


def test_a_page_that_is_just_full_is_no_sample(broker):
    feed = Feed(broker)
    publish(broker, "first")
    feed.look()
    publish(broker, *(f"e{n}" for n in range(feeds.PAGE)))
    feed.look()
    assert feed.sampled() == set()


def test_a_sample_is_told_for_ten_seconds(broker):
    now = [1000.0]
    feed = Feed(broker, lambda: now[0])
    feed.look()
    publish(broker, "x")
    feed.look()
    publish(broker, *(f"e{n}" for n in range(2 * feeds.PAGE)))
    feed.look()
    now[0] += feeds.OVER - 0.1
    assert feed.sampled() == {"t"}
    now[0] += 0.2
    assert feed.sampled() == set()


def test_the_feed_forgets_the_oldest(broker, monkeypatch):
    monkeypatch.setattr(feeds, "KEPT", 20)
    feed = Feed(broker)
    for n in range(30):
        feed.remember(Seen("t", "", 0.0, f"e{n}", "web", "", "", {}))
    publish(broker, "last")
    feed.look()
    assert len(ids(feed)) == 20
    assert (feed.find("e10"), feed.find("e11").id, feed.find("last").id) == (None, "e11", "last")


def test_an_event_is_found_by_its_id_and_its_source(broker):
    publish(broker, "same", source="one")
    publish(broker, "same", source="two")
    feed = Feed(broker)
    feed.look()
    assert feed.find("same", "one").source == "one"
    assert feed.find("same").source == "two"
    assert feed.find("same", "three") is None


def test_flows_name_no_more_than_the_most_frequent_sources(broker):
    for n in range(3 * feeds.SOURCES):
        publish(broker, f"e{n}", source=f"source {n}")
    publish(broker, "x", "y", source="often")
    feed = Feed(broker)
    feed.look()
    assert len(feed.flows()) == feeds.SOURCES
    assert ("often", "t") in feed.flows()


def test_an_envelope_that_cannot_be_read_is_shown_with_the_reason(broker):
    broker.publish([Message("t", b"no json")])
    feed = Feed(broker)
    feed.look()
    (seen,) = feed.events("", 10)
    assert (seen.data, seen.problem[:24]) == ("no json", "the envelope is not JSON")


class Broken(MemoryTransport):
    def topics(self) -> dict[str, list[str]]:
        raise StorageError("the broker is away")


def test_a_broker_that_is_away_is_a_trouble_and_ends_nothing():
    feed = Feed(Broken())
    feed.start()
    while not feed.trouble:
        feed.stopping.wait(0.001)
    assert feed.alive
    feed.stop(5.0)
    assert feed.trouble == "the broker is away"


def test_lines_are_kept_and_found_by_what_they_say_and_when(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("workerkit.operate.said.time.time", lambda: now[0])
    kept = SaidFile(tmp_path / "data")
    for who, text in (("shop events", 'about "x"'), ("shop cron", "later"), ("other", "later")):
        kept.write(who, text)
        now[0] += 1
    kept.close()
    data = tmp_path / "data"
    assert said_about(data, '"x"') == [SaidLine(100.0, "shop events", 'about "x"')]
    spans = [Span("shop ", 100.5, 200.0), Span("shop ", 0.0, 101.0), Span("nobody", 0.0, 200.0)]
    told = said_between(data, spans)
    assert [[line.text for line in lines] for lines in told] == [
        ["later"], ['about "x"', "later"], [],
    ]  # fmt: skip
    assert said.recorded(data)
    assert not said.recorded(tmp_path)


def test_the_file_of_lines_does_not_grow_beyond_twice_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(said, "LIMIT", 2000)
    kept = SaidFile(tmp_path)
    for n in range(500):
        kept.write("shop", f"line {n}")
    kept.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * 2100
    assert said_about(tmp_path, "line 499")
    assert not said_about(tmp_path, "line 0")


def test_a_disk_that_is_full_costs_lines_alone(tmp_path):
    (tmp_path / "data").write_text("a file, so no folder")
    SaidFile(tmp_path / "data").write("shop", "lost")


def test_a_file_that_cannot_be_put_aside_costs_lines_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(said, "LIMIT", 10)
    aside = tmp_path / "aside"
    aside.mkdir()
    monkeypatch.setattr(said, "_old", lambda path: aside)
    kept = SaidFile(tmp_path)
    for _ in range(3):
        kept.write("shop", "a line")
    kept.close()


def test_a_half_written_line_is_left_out(tmp_path):
    (tmp_path / said.FILE).write_bytes(b'[1.0,"shop","whole line"]\n[2.0,"shop","half li')
    assert [each.text for each in said_about(tmp_path, "li")] == ["whole line"]


TEXT = ("12:00:01.250 WARNING event failed and will be tried again  worker=order event_id=7 "
        "topic=t attempt=2 duration_s=0.5 error=ValueError: no a=b")  # fmt: skip
JSON = orjson.dumps(
    {"ts": "1970-01-01T00:01:40.000+00:00", "level": "INFO", "event": "event applied",
     "service": "shop", "logger": "l", "worker": "order", "event_id": "7", "attempt": 1,
     "duration_s": 0.25}
).decode()  # fmt: skip


def test_an_attempt_is_read_from_a_line_of_text():
    told = _attempt(SaidLine(50.0, "shop events", TEXT))
    assert (told.consumer, told.number, told.began, told.ended) == ("shop/order", 2, 49.5, 50.0)
    assert (told.outcome, told.error) == ("parked", "ValueError: no")


def test_an_attempt_is_read_from_a_line_of_json():
    told = _attempt(SaidLine(100.0, "shop events", JSON))
    assert (told.began, told.ended, told.outcome, told.error) == (99.75, 100.0, "applied", "")


def test_a_line_of_json_counts_from_when_it_was_written(tmp_path):
    kept = SaidFile(tmp_path)
    kept.write("shop events", JSON)
    kept.write("shop events", '{"ts":"no time"}')
    kept.close()
    (found,) = said_between(tmp_path, [Span("shop", 99.0, 101.0)])
    assert [line.at for line in found] == [100.0]


def test_the_file_of_lines_is_read_once_for_all_spans(tmp_path, monkeypatch):
    reads = []
    monkeypatch.setattr(said, "_lines", lambda data: reads.append(data) or iter(()))
    spans = [Span("shop", float(n), n + 1.0) for n in range(30)]
    assert said_between(tmp_path, spans) == [[]] * 30
    assert len(reads) == 1


@pytest.mark.parametrize("line", ["", "{", "[1]", "plain words  a=b", '{"event": "else"}'])
def test_any_other_line_is_no_attempt(line):
    assert _attempt(SaidLine(1.0, "shop events", line)) is None


def test_a_line_of_json_is_shown_as_people_read_it():
    assert shown(JSON) == "INFO event applied  worker=order event_id=7 attempt=1 duration_s=0.25"
    assert shown("as it is") == "as it is"


def row(**changed: object) -> Row:
    told = {
        "service": "shop", "name": "order", "kind": "event", "port": 1, "status": "running",
        "rate": 2.0, "lag": 0, "oldest": 0.0, "processed": 5, "failed": 0, "next": None,
        "paused": False,
    }  # fmt: skip
    return Row(**{**told, **changed})


def beat(*rows: Row, jobs: tuple[Job, ...] = (), **counts: int) -> Beat:
    worker = WorkerStatus("order", "event", "t", "running", 0, 0.0, 5, 0, None, None)
    process = ProcessStatus("shop", "events", 1, "pid 5", "running", workers=(worker,))
    numbers = {"parked": 0, "dead": 0, "outbox": 0, **counts}
    return Beat(Status((process,), {}), Scene(rows, troubles=(), **numbers), jobs)


WIRING = Wiring(["shop"], [("shop", "order", "t")], [])


def test_the_drawing_has_sources_topics_and_services_with_rates(broker):
    publish(broker, "a", source="web")
    publish(broker, "b", topic="u", source="shop")
    feed = Feed(broker)
    feed.look()
    seen = overview(beat(row()), feed, WIRING)
    assert {node.id for node in seen.nodes} == {"source web", "topic t", "topic u", "service shop"}
    assert {(flow.start, flow.end) for flow in seen.flows} == {
        ("source web", "topic t"), ("service shop", "topic u"), ("topic t", "service shop"),
    }  # fmt: skip
    assert next(f.rate for f in seen.flows if f.end == "service shop") == 2.0


def test_all_is_well_when_nothing_is_wrong(broker):
    assert overview(beat(row()), Feed(broker), WIRING).troubles == ()


def failed(state: str) -> Job:
    run = Run("shop/report", 1.0, state, "schedule", 1, "h", 1.0, 2.0, 0, "no paper")
    return Job("shop/report", "@daily", "daily", "UTC", (), None, run)


def test_what_is_wrong_is_told_with_where_to_go(broker):
    wiring = Wiring(["shop"], WIRING.workers, ["service 'x' cannot be wired"])
    seen = overview(
        beat(row(oldest=90.0, lag=3), jobs=(failed("timed_out"),), dead=2, parked=1),
        Feed(broker), wiring,
    )  # fmt: skip
    assert [(trouble.text, trouble.href) for trouble in seen.troubles] == [
        ("service 'x' cannot be wired", ""),
        ("shop/order is behind: its oldest event waits for 90 s", "/events"),
        ("shop/report timed out last time: no paper", "/cron/shop/report"),
        ("2 dead letters", "/letters"),
        ("1 event failed and will be tried again", "/letters?parked=1"),
    ]


def test_what_is_wrong_comes_first_among_the_workers(broker):
    seen = overview(beat(row(), row(name="z", status="degraded")), Feed(broker), WIRING)
    assert [line.name for line in seen.workers] == ["z", "order"]


class Looked:
    """Counts the looks."""

    def __init__(self) -> None:
        self.looks = threading.Semaphore(0)
        self.pulse = Pulse(self.look, lambda: ())

    def look(self) -> Status:
        self.looks.release()
        worker = WorkerStatus("order", "event", "t", "running", 0, 0.0, 5, 0, None, None)
        return Status((ProcessStatus("shop", "events", 1, "", "running", workers=(worker,)),), {})

    def again(self) -> bool:
        """Whether it looks well before it would by itself."""
        return self.looks.acquire(timeout=ALONE / 2)


@pytest.fixture
def looked() -> Iterator[Looked]:
    made = Looked()
    made.pulse.start()
    yield made
    made.pulse.stop(5.0)
    assert not made.pulse.alive


def test_the_pulse_looks_at_once_when_a_page_opens(looked):
    assert looked.again()
    assert [row.name for row in looked.pulse.beat().scene.rows] == ["order"]
    assert looked.again()


def test_the_pulse_looks_at_once_when_something_was_changed_and_remembers_rates(looked):
    assert looked.again()
    looked.pulse.again()
    assert looked.again()
    while not looked.pulse.beat().trends:
        looked.pulse.stopping.wait(0.001)
    assert looked.pulse.beat().trend[0] == 0.0


def test_a_look_that_fails_is_a_trouble_of_the_beat(broker):
    def look() -> Status:
        raise StorageError("no answer")

    pulse = Pulse(look, lambda: ())
    pulse.start()
    try:
        seen = overview(pulse.beat(), Feed(broker), WIRING)
    finally:
        pulse.stop(5.0)
    assert [trouble.text for trouble in seen.troubles] == ["no answer"]


def test_latency_is_how_long_ago_the_event_was_published_that_is_settled_now():
    course = [Look(0.0, "", 0, 0, 0), Look(1.0, "", 10, 0, 10), Look(2.0, "", 20, 10, 10),
              Look(3.0, "", 20, 20, 0)]  # fmt: skip
    assert latencies(course) == [(0.0, 0.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]


def test_the_phases_of_a_running_scenario_are_its_bands():
    course = [Look(0.0, "steady state", 0, 0, 0), Look(1.0, "SIGKILL", 1, 0, 1),
              Look(2.0, "SIGKILL", 2, 1, 1), Look(3.0, "drain", 2, 2, 0)]  # fmt: skip
    assert course_curves(course)[0].bands == [(0.0, 2.0, "SIGKILL")]


def test_verdicts_of_the_command_line_are_among_the_past_ones(tmp_path):
    verdict = Verdict(
        "fail", ("1 lost: x",), 5, 5, 4, 0, 1, 0, 0, 0, 0, 0, 3, None, 0.5, 0, 0, None
    )
    Verdicts(tmp_path).save(Kept("lose-db", "shop", 50.0, 7.0, "", verdict))
    write_journal(tmp_path / "chaos" / "one", [("poison-event", verdict, 60.0123456789, 7.0)], "")
    Verdicts(tmp_path).save(Kept("poison-event", "shop", 60.0123456789, 7.0, "", verdict))
    (tmp_path / "chaos" / "broken").mkdir()
    (tmp_path / "chaos" / "broken" / "journal.json").write_text("{}")
    other, trial = past(tmp_path)
    assert (other.id, other.title, other.at) == ("one", "poison-event", pytest.approx(60.012346))
    assert (trial.title, trial.result, trial.reasons) == ("lose-db", "fail", ("1 lost: x",))
    assert ("lost", "1") in trial.figures


def examined(examiner: Examiner) -> Progress:
    """What it says once it has looked."""
    while (found := examiner.progress()).looking:
        threading.Event().wait(0.001)
    return found


def test_the_checklist_is_looked_at_beside_the_page_and_again_when_it_is_old(monkeypatch):
    found = iter([Checklist("x", 5.0, ()), Checklist("x", 1e12, (Day("d", "D", ()),))])
    examiner = Examiner(lambda: next(found))
    assert examiner.progress() == Progress(0.0, (), True)
    while not examiner.progress().milestones:
        threading.Event().wait(0.001)
    assert examined(examiner) == Progress(1e12, (Milestone("D", ()),), False)


def test_a_checklist_that_fails_is_told_and_looked_at_again():
    def fail() -> Checklist:
        raise ValueError("of a probe")

    with pytest.raises(WorkerkitError, match="the checklist failed"):
        examined(Examiner(fail))


class Slow(Bench):
    """A bench whose load test waits for us."""

    release = threading.Event()

    def _load_events(self, running) -> None:
        assert self.release.wait(10)
        raise StorageError("the broker is away")


def test_a_load_test_that_there_is_not_is_refused(tmp_path):
    bench = Slow(SimpleNamespace(data=tmp_path))
    with pytest.raises(ConfigurationError, match="load test"):
        bench.load("event")
    assert bench.running() is None


def test_one_trial_at_a_time_and_one_that_fails_tells_why(tmp_path):
    bench = Slow(SimpleNamespace(data=tmp_path))
    bench.load("events")
    with pytest.raises(StartStopError, match="load on events is still running"):
        bench.play("kill-worker")
    id = bench.running().id
    bench.release.set()
    while bench.running():
        threading.Event().wait(0.001)
    assert bench.find(id).reasons == ("the broker is away",)
    assert bench.find(id).result == "not proven"
    assert bench.find("another") is None
