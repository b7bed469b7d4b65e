"""`workerkit chaos` on a real project: right about our engine, and about broken ones."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from xml.etree import ElementTree as Xml

import psycopg
import pytest
from redis import Redis

from tests.started import Place
from tests.waiting import until
from workerkit.chaos.catalogue import SCENARIOS
from workerkit.chaos.scenarios import PLAYS
from workerkit.errors import ConfigurationError
from workerkit.testing import chaos

APP = """
from pydantic import BaseModel
from sqlalchemy import text
from workerkit import CronJob, EventWorker, Service


class Order(BaseModel):
    id: int = 7


class OrderWorker(EventWorker[Order]):
    topic = "orders"

    def handle(self, order, context):
        context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": order.id})


class ReportJob(CronJob):
    schedule = "0 3 * * *"

    def run(self, context):
        context.session.execute(text("INSERT INTO applied VALUES (0)"))


def migrate(connection):
    connection.execute(text("CREATE TABLE IF NOT EXISTS applied (id INTEGER)"))


def wire(settings):
    return Service("app", events=[OrderWorker()], cron=[ReportJob()], migrate=migrate)
"""

MUTANTS = {
    "acknowledges before it commits": ("kill-worker", """
from workerkit.events.pipeline import Pipeline

apply = Pipeline.apply


def early(self, items, **options):
    self.settle(items, ())
    return apply(self, items, **options)


Pipeline.apply = early
"""),
    "has no inbox": ("duplicate-events", """
from workerkit.storage.store import SqlStore
from workerkit.storage.unit_of_work import SqlUnitOfWork

enter = SqlUnitOfWork.enter


def all_new(self, consumer, keys):
    enter(self, consumer, keys)
    return set(keys)


SqlUnitOfWork.enter = all_new
SqlStore.settled = lambda self, consumer, key: False
"""),
    "has no fence around a job": ("two-schedulers", """
from sqlalchemy import and_

from workerkit.storage import runs

runs._still = lambda run: and_(runs.runs.c.job == run.job, runs.runs.c.tick == run.tick)
"""),
    "gives up what runs when it is stopped": ("stop-worker", """
import os
import signal

from workerkit.process import Process

Process.stop = lambda self, timeout=25.0: os.kill(os.getpid(), signal.SIGKILL)
"""),
    "never takes over what a dead worker held": ("kill-worker", """
from workerkit.transports.sqlite import SqliteTransport

init = SqliteTransport.__init__


def for_ever(self, *arguments, **options):
    init(self, *arguments, **options)
    self.lease = 1e6


SqliteTransport.__init__ = for_ever
"""),
    "has no relay": ("lose-broker", """
from workerkit.events.outbox import Relay

Relay.relay = lambda self: 0
"""),
    "drops what fails": ("failing-handler", """
from workerkit.storage.unit_of_work import SqlUnitOfWork

SqlUnitOfWork.park = lambda self, event: None
"""),
    "never tries again": ("failing-handler", """
from workerkit.storage.store import SqlStore

SqlStore.due = lambda *_: []
"""),
    "lets a handler roll back": ("rude-handler", """
from workerkit.storage.session import LentSession


def rollback(self):
    connection = self.connection().connection.driver_connection
    connection.set_authorizer(None)
    connection.execute("ROLLBACK")
    connection.execute("BEGIN IMMEDIATE")


LentSession.rollback = rollback
"""),
    "runs the copy of a parked event": ("failing-handler", """
from workerkit.storage.unit_of_work import SqlUnitOfWork

enter = SqlUnitOfWork.enter


def parked_are_new(self, consumer, keys):
    rows = self._open().exec_driver_sql("SELECT source, id FROM workerkit_parked").fetchall()
    return enter(self, consumer, keys) | ({tuple(row) for row in rows} & set(keys))


SqlUnitOfWork.enter = parked_are_new
"""),
    "knows events by their id alone": ("duplicate-events", """
from workerkit.storage.unit_of_work import SqlUnitOfWork

enter = SqlUnitOfWork.enter


def by_id(self, consumer, keys):
    rows = self._open().exec_driver_sql("SELECT source, id FROM workerkit_inbox").fetchall()
    known = {id: source for source, id in rows}
    return enter(self, consumer, [key for key in keys if known.get(key[1], key[0]) == key[0]])


SqlUnitOfWork.enter = by_id
"""),
}  # fmt: skip
"""What each does wrong, and the scenario that finds it."""


@pytest.fixture
def place(place, tmp_path, monkeypatch) -> Place:
    """With a folder for what a killed run leaves, which others' runs would take away."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    place.write("app.py", APP)
    return place


def test_the_catalogue_is_what_can_be_played():
    assert [one.name for one in SCENARIOS] == list(PLAYS)


@pytest.mark.parametrize("name", ["kill-worker", "freeze-worker", "lose-db", "kill-cron"])
def test_our_engine_loses_nothing(place, name):
    code, said = place.call("chaos", name, "--quick", "--json")
    (played,) = json.loads(said)
    assert (code, played["verdict"]["reasons"]) == (0, [])
    assert played["verdict"]["result"] == "pass"
    assert played["verdict"]["hit"] > 0


@pytest.mark.parametrize(
    "name", ["kill-worker", "lose-db", "lose-broker", "slow-db", "flaky-broker", "half-open"]
)
def test_nor_does_it_on_redis_and_postgresql_which_are_left_as_they_were(
    place, name, redis_url, postgresql_url
):
    urls = {"REDIS_URL": redis_url, "DATABASE_URL": postgresql_url}
    code, said = place.call("chaos", name, "--quick", "--json", **urls)
    (played,) = json.loads(said)
    assert (code, played["verdict"]["result"], played["verdict"]["reasons"]) == (0, "pass", [])
    assert not owned(redis_url)
    assert not databases(postgresql_url)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"REDIS_URL": "redis://cache.example.org/0"}, "a Redis server on this machine only"),
        ({"REDIS_URL": "rediss://localhost/0"}, "a Redis server on this machine only"),
        ({"DATABASE_URL": "postgresql://db.example.org/app"}, "is on another machine"),
    ],
)
def test_servers_that_are_not_here_are_left_alone(place, variables, said):
    code, answer = place.call("chaos", "kill-worker", **variables)
    assert (code, said in answer) == (2, True)


@pytest.mark.parametrize("name", ["slow-db", "half-open"])
def test_what_needs_a_network_says_so(place, name):
    code, said = place.call("chaos", name)
    assert (code, "has no network to break" in said) == (2, True)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_an_engine_that_is_wrong_is_found(place, mutant):
    name, patch = MUTANTS[mutant]
    place.write("broken/sitecustomize.py", patch)
    broken = str(place.folder / "broken")
    code, said = 0, ""
    # At nearly all that it can do, 5 ms an event, so that a kill hits it in the middle of one; what
    # must be hit may be the moment between commit and acknowledgement, and that needs some luck.
    for _ in range(3):
        if code != 5:
            code, said = place.call("chaos", name, "--quick", "--rate=150", PYTHONPATH=broken)
    assert code == 5, said
    assert said.startswith(f"fail: {name} on app in ")


def test_results_go_to_files_that_others_read(place):
    code, _ = place.call("chaos", "poison-event", "--quick", "--keep", "results")
    journal = json.loads((place.folder / "results/journal.json").read_text())
    suite = Xml.parse(place.folder / "results/junit.xml").getroot()
    assert (code, journal["status"], journal["deviated"]) == (0, "completed", False)
    assert journal["run"][0]["output"]["dead"] == 5
    assert [case.get("name") for case in suite] == ["poison-event"]
    assert (
        "poison-event: <span class=ok>pass</span>"
        in (place.folder / "results/report.html").read_text()
    )


@pytest.mark.parametrize("name", ["clock-jump", "kill-sidecar", "disk-full", "restart-all"])
def test_nor_does_it_by_clock_sidecar_disk_or_restarts(place, name):
    code, said = place.call("chaos", name, "--quick", "--json")
    (played,) = json.loads(said)
    assert (code, played["verdict"]["result"], played["verdict"]["reasons"]) == (0, "pass", [])


def test_a_flush_of_redis_is_noticed_and_costs_no_more_than_redis_held(place, redis_url):
    code, said = place.call("chaos", "flush-redis", "--quick", "--json", REDIS_URL=redis_url)
    (played,) = json.loads(said)
    verdict = played["verdict"]
    assert (code, verdict["result"], verdict["lost"]) == (0, "pass", 0)
    assert verdict["flushed"] <= verdict["hit"] + 5
    assert verdict["detection"] < 5


def test_random_faults_are_drawn_and_survived(place):
    code, said = place.call("chaos", "random", "--for", "3s", "--seed", "3")
    assert code == 0, said
    assert "--for 3s --seed 3" in said


def test_what_a_killed_run_left_is_removed_by_the_next_one(place, redis_url, postgresql_url):
    urls = {"REDIS_URL": redis_url, "DATABASE_URL": postgresql_url}
    killed = place.start("chaos", "half-open", **urls)
    until(lambda: owned(redis_url) and databases(postgresql_url))
    killed.signal(signal.SIGKILL)
    assert owned(redis_url)
    assert databases(postgresql_url)
    code, said = place.call("chaos", "duplicate-events", "--quick", **urls)
    assert (code, said.count("removed what a killed chaos run had left")) == (0, 1)
    assert not owned(redis_url)
    assert not databases(postgresql_url)


def owned(redis_url: str) -> bool:
    """Whether a chaos run has something on the server."""
    with closing(Redis.from_url(redis_url)) as redis:
        return bool(redis.info("keyspace"))


def databases(postgresql_url: str) -> list[str]:
    """Those that chaos runs have made."""
    with closing(psycopg.connect(postgresql_url)) as connection:
        rows = connection.execute("SELECT datname FROM pg_database").fetchall()
    return [name for (name,) in rows if name.startswith("workerkit_")]


def test_a_projects_own_tests_can_break_it(place, monkeypatch):
    monkeypatch.chdir(place.folder)
    monkeypatch.syspath_prepend(place.folder)
    verdict = chaos.play("duplicate-events", "app")
    assert (verdict.result, verdict.reasons) == ("pass", ())
    assert verdict.applied == verdict.confirmed > 200
    with pytest.raises(ConfigurationError, match="did you mean 'kill-worker'"):
        chaos.play("kill-wroker")
    assert set(chaos.names()) >= {"kill-worker", "two-schedulers"}


def test_nothing_is_done_in_a_dry_run_and_a_verdict_is_left_of_a_real_one(place):
    code, said = place.call("chaos", "all", "--dry-run")
    assert code == 0
    left_out = [one for one in SCENARIOS if one.server in ("broker", "database")]
    assert said.count("left out: ") == len(left_out)
    assert len(said.splitlines()) == len(SCENARIOS)
    assert not (place.folder / ".workerkit").exists()
    place.call("chaos", "duplicate-events", "--quick")
    files = [path for path in (place.folder / ".workerkit").rglob("*") if path.is_file()]
    assert [path.parent.name for path in files] == ["chaos"]
    assert place.left() == []


def test_what_cannot_be_disturbed_is_refused(place):
    assert place.call("chaos", "kill-worker", "nobody")[0] == 2
    place.write("app.py", APP.replace("events=[OrderWorker()], ", ""))
    code, said = place.call("chaos", "kill-worker")
    assert (code, "no service here has events workers" in said) == (2, True)
