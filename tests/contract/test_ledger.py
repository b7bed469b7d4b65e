"""The run ledger on either database: one claim wins, and only a running run commits."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tests.clocks import SteppedClock
from tests.servers import database_url
from workerkit.cron.ledger import Claim
from workerkit.errors import LeaseLost, StorageError
from workerkit.events.outbox import Outbox
from workerkit.storage.database import Database
from workerkit.storage.runs import SqlLedger
from workerkit.storage.store import SqlStore
from workerkit.transports.memory import MemoryTransport

JOB = "shop/job"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    return database_url(request, tmp_path)


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def ledger(url, transport, clock):
    database = Database(url)
    database.upgrade(
        lambda connection: connection.exec_driver_sql("CREATE TABLE effects (what TEXT)")
    )
    yield SqlLedger(database, Outbox("shop", SqlStore(database), transport, clock), clock)
    database.close()


def claim(tick: float, holder: str = "here/1/a", **options) -> Claim:
    return Claim(JOB, tick, holder, **options)


def effects(ledger) -> list[str]:
    with ledger.database.read() as session:
        return list(session.scalars(text("SELECT what FROM effects")))


def write(work, what: str) -> None:
    work.session().execute(text("INSERT INTO effects VALUES (:what)"), {"what": what})


def test_of_many_who_claim_a_tick_at_once_one_gets_it(ledger):
    gate = threading.Barrier(8)

    def go(number: int) -> str:
        gate.wait()
        return ledger.begin(claim(60.0, f"here/{number}/a")).verdict

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(go, range(8))) == {"ours": 1, "taken": 7}


def test_of_many_who_claim_different_ticks_at_once_one_runs(ledger):
    gate = threading.Barrier(8)

    def go(number: int) -> str:
        gate.wait()
        return ledger.begin(claim(60.0 * number)).verdict

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(go, range(8))) == {"ours": 1, "busy": 7}


def test_tokens_grow_with_every_run(ledger):
    tokens = []
    for tick in (60.0, 120.0, 180.0):
        run = ledger.begin(claim(tick)).run
        ledger.end(run, "failed", "no", "", 0)
        tokens.append(run.token)
    assert tokens == [1, 2, 3]


def test_a_claim_beside_others_runs_while_they_do(ledger):
    ledger.begin(claim(60.0))
    assert ledger.begin(claim(120.0, together=True)).verdict == "ours"
    assert [run.tick for run in ledger.running()] == [60.0, 120.0]


def test_who_is_busy_is_told(ledger):
    ledger.begin(claim(60.0, "there/7/x"))
    answer = ledger.begin(claim(120.0))
    assert (answer.verdict, answer.run.holder, answer.run.tick) == ("busy", "there/7/x", 60.0)


def test_effects_and_the_end_of_the_run_are_one(ledger, clock):
    run = ledger.begin(claim(60.0)).run
    work = ledger.work(run)
    write(work, "one")
    assert effects(ledger) == []
    ended = work.finish(3)
    assert effects(ledger) == ["one"]
    assert ledger.find(JOB, 60.0) == ended
    assert (ended.state, ended.rows, ended.ended) == ("succeeded", 3, clock.time())
    assert ledger.last_successes([JOB]) == {JOB: clock.time()}


def test_a_run_that_is_over_commits_nothing(ledger, transport):
    run = ledger.begin(claim(60.0)).run
    work = ledger.work(run)
    ledger.end(run, "abandoned", "silent", "", 0)
    write(work, "late")
    work.publish("prices", {})
    with pytest.raises(LeaseLost):
        work.finish(1)
    assert effects(ledger) == []
    assert transport.read("prices", "", 10) == []
    assert ledger.find(JOB, 60.0).state == "abandoned"


def test_a_tick_run_again_by_hand_fences_the_first_run_of_it(ledger):
    first = ledger.begin(claim(60.0)).run
    ledger.end(first, "abandoned", "silent", "", 0)
    second = ledger.begin(claim(60.0, trigger="manual"))
    assert second.verdict == "ours"
    with pytest.raises(LeaseLost):
        ledger.work(first).finish(0)
    ledger.work(second.run).finish(0)
    assert ledger.begin(claim(60.0, trigger="manual")).verdict == "taken"


def test_the_end_of_a_run_is_recorded_once(ledger):
    run = ledger.begin(claim(60.0)).run
    assert ledger.end(run, "timed_out", "slow", "", 0).state == "timed_out"
    assert ledger.end(run, "failed", "later", "", 0).state == "timed_out"


def test_ticks_are_skipped_unless_they_have_a_row(ledger):
    ledger.begin(claim(120.0))
    assert ledger.skip(JOB, [60.0, 120.0, 180.0], "misfire") == [60.0, 180.0]
    assert ledger.skip(JOB, [60.0, 180.0], "misfire") == []
    assert [run.state for run in ledger.history(JOB, 10)] == ["skipped", "running", "skipped"]


def test_the_latest_scheduled_tick_is_known_and_manual_ones_do_not_count(ledger, clock):
    now = clock.time()
    for tick, trigger in ((now - 120, "schedule"), (now - 60, "manual")):
        run = ledger.begin(claim(tick, trigger=trigger)).run
        ledger.end(run, "succeeded", "", "", 0)
    assert ledger.last_ticks([JOB, "shop/other"]) == {JOB: now - 120}


def test_ticks_to_come_that_were_skipped_are_forgotten_and_those_that_ran_are_not(ledger, clock):
    now = clock.time()
    ledger.end(ledger.begin(claim(now - 60)).run, "succeeded", "", "", 0)
    ledger.skip(JOB, [now + 3600], "misfire")
    ledger.end(ledger.begin(claim(now + 7200)).run, "succeeded", "", "", 0)
    ledger.forget_future([JOB])
    assert [run.tick for run in ledger.history(JOB, 10)] == [now + 7200, now - 60]
    assert ledger.last_ticks([JOB]) == {JOB: now - 60}


def test_a_pause_leaves_scheduled_ticks_out_and_lets_manual_ones_pass(ledger):
    ledger.pause(JOB, "ann")
    assert ledger.begin(claim(60.0)).run.reason == "paused by ann"
    assert ledger.begin(claim(90.0, trigger="manual")).verdict == "ours"


def test_the_jobs_of_another_service_in_the_same_database_are_not_ours(ledger):
    other = SqlLedger(ledger.database, Outbox("sho", SqlStore(ledger.database), MemoryTransport()))
    ledger.begin(claim(60.0))
    assert other.running() == []
    assert other.rows() == {}


def test_a_database_without_our_tables_is_a_storage_error(url, transport):
    database = Database(url)
    ledger = SqlLedger(database, Outbox("shop", SqlStore(database), transport))
    with pytest.raises(StorageError, match="workerkit_"):
        ledger.begin(claim(60.0))
    database.close()
