"""A job that hangs: its thread cannot be ended, so its process is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.started import Place
from tests.waiting import until

APP = """
import time
from pathlib import Path

from sqlalchemy import text
from workerkit import CronJob, Service


class StuckJob(CronJob):
    schedule = "@every 1s"
    timeout = 0.5

    def run(self, context):
        context.session.execute(text("INSERT INTO effects VALUES (1)"))
        if not Path("well").exists():
            time.sleep(600)


def migrate(connection):
    connection.execute(text("CREATE TABLE IF NOT EXISTS effects (n INTEGER)"))


def wire(settings):
    return Service("app", cron=[StuckJob()], migrate=migrate)
"""

TOML = """
[services.app]
wire = "app:wire"
ports = { cron = 0 }
"""


@pytest.fixture
def place(place) -> Place:
    place.write("app.py", APP)
    place.write("workerkit.toml", TOML)
    return place


def ask(place: Place, query: str) -> list[tuple]:
    path: Path = place.folder / ".workerkit" / "app.db"
    with closing(sqlite3.connect(path, timeout=20)) as db:
        return db.execute(query).fetchall()


def test_the_process_of_a_job_that_hangs_is_started_anew_and_the_next_tick_runs(place):
    worker = place.start("run", "--mode=cron")
    worker.says(": running on port", times=2)
    place.write("well", "")
    worker.says("starting anew, as app/stuck runs longer than its timeout of 0.5 s")
    until(lambda: ask(place, "SELECT 1 FROM workerkit_runs WHERE state = 'succeeded'"))
    states = [row[0] for row in ask(place, "SELECT state FROM workerkit_runs ORDER BY tick")]
    assert states[0] == "timed_out"
    assert worker.said.count(f"pid {worker.process.pid}") >= 2
    assert worker.signal(15) == 0
    done = ask(place, "SELECT count(*) FROM workerkit_runs WHERE state = 'succeeded'")
    assert ask(place, "SELECT count(*) FROM effects") == done


def test_a_job_that_hangs_in_the_command_line_ends_it_and_is_recorded(place):
    done = place.start("cron", "trigger", "stuck")
    assert done.process.wait(60) == 5
    assert ask(place, "SELECT state FROM workerkit_runs") == [("timed_out",)]
    assert ask(place, "SELECT count(*) FROM effects") == [(0,)]
    assert "job ran into its timeout" in done.said
