"""`workerkit chaos` on a real project: right about our engine, and about broken ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from xml.etree import ElementTree as Xml

import psycopg
import pytest
from redis import Redis

from tests.started import Place
from workerkit.chaos.catalogue import SCENARIOS
from workerkit.chaos.scenarios import PLAYS

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
}  # fmt: skip
"""What each does wrong, and the scenario that finds it."""


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    opened = Place(tmp_path / "project")
    opened.write("app.py", APP)
    yield opened
    opened.close()


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
    with closing(Redis.from_url(redis_url)) as redis:
        assert redis.info("keyspace") == {}
    with closing(psycopg.connect(postgresql_url)) as connection:
        rows = connection.execute("SELECT datname FROM pg_database").fetchall()
    assert not [name for (name,) in rows if name.startswith("workerkit_")]


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
    # Nearly all that it can do at 5 ms an event, so that a kill hits it in the middle of one.
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


def test_nothing_is_done_in_a_dry_run_and_nothing_is_left_of_a_real_one(place):
    code, said = place.call("chaos", "all", "--dry-run")
    assert code == 0
    left_out = [one for one in SCENARIOS if one.server]
    assert said.count("left out: ") == len(left_out)
    assert len(said.splitlines()) == len(SCENARIOS)
    place.call("chaos", "duplicate-events", "--quick")
    assert not (place.folder / ".workerkit").exists()
    assert place.left() == []


def test_what_cannot_be_disturbed_is_refused(place):
    assert place.call("chaos", "kill-worker", "nobody")[0] == 2
    place.write("app.py", APP.replace("events=[OrderWorker()], ", ""))
    code, said = place.call("chaos", "kill-worker")
    assert (code, "no service here has events workers" in said) == (2, True)
