"""Each due tick of a job ends as one row, whatever the job, the clock or the process does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.cron_world import LEASE, NOON, CronWorld, job, note, seen, write
from workerkit.core.hooks import Ran
from workerkit.core.trace import of_run
from workerkit.cron.job import CronJob, RunContext, check_job, job_name
from workerkit.cron.ledger import Claim
from workerkit.errors import ConfigurationError, LeaseLost, StorageError


@pytest.fixture
def world(tmp_path) -> CronWorld:
    return CronWorld(tmp_path)


def test_a_job_runs_at_each_tick_and_its_effects_are_there_once(world):
    worker = world.worker(job("*/5 * * * *", note))
    world.pass_time(660, worker)
    assert world.ended() == seen(["12:05:00", "12:10:00"])
    assert world.effects() == ["12:05:00", "12:10:00"]
    assert [run.rows for run in world.runs()] == [1, 1]


def test_replicas_share_the_ticks(world):
    workers = [world.worker(job("* * * * *", note), holder=f"here/{n}/a") for n in range(5)]
    world.pass_time(180, *workers)
    assert world.ended() == seen(["12:01:00", "12:02:00", "12:03:00"])
    assert world.effects() == ["12:01:00", "12:02:00", "12:03:00"]


def test_a_job_that_raises_is_recorded_and_leaves_nothing(world):
    def fail(context):
        write(context, "half")
        raise ValueError("no stock")

    world.pass_time(120, world.worker(job("* * * * *", fail)))
    assert world.ended() == seen(["12:01:00", "12:02:00"], "failed")
    assert world.effects() == []
    first = world.runs()[0]
    assert first.reason == "ValueError: no stock"
    assert "raise ValueError" in first.traceback


def test_a_job_that_exits_has_failed_and_the_worker_lives(world):
    def leave(context):
        raise SystemExit(3)

    world.pass_time(60, world.worker(job("* * * * *", leave)))
    assert [(run.state, run.reason) for run in world.runs()] == [("failed", "SystemExit: 3")]


def test_an_async_job_is_awaited(world):
    class Job(CronJob):
        schedule = "* * * * *"
        name = "job"

        async def run(self, context: RunContext) -> None:
            await asyncio.sleep(0)
            write(context, "async")

    world.pass_time(60, world.worker(Job()))
    assert (world.ended(), world.effects()) == (seen(["12:01:00"]), ["async"])


def test_an_async_job_past_its_timeout_is_cancelled_and_the_process_goes_on(world):
    class Job(CronJob):
        schedule = "* * * * *"
        name = "job"
        timeout = 0.01

        async def run(self, context: RunContext) -> None:
            await asyncio.Event().wait()

    world.pass_time(60, world.worker(Job()))
    assert world.ended() == seen(["12:01:00"], "timed_out")
    assert world.restarts == []


def test_a_job_that_hangs_is_recorded_and_its_process_is_started_anew(world):
    def hang(context):
        write(context, "half")
        world.clock.advance(11.0)
        world.turn(worker)
        assert world.restarted.wait(30.0)

    worker = world.worker(job("* * * * *", hang, timeout=10.0))
    world.pass_time(60, worker)
    assert world.ended() == seen(["12:01:00"], "timed_out")
    assert world.runs()[0].reason.startswith("HandlerTimeout: ran longer than 10 s")
    assert world.restarts == ["shop/job runs longer than its timeout of 10 s"]
    assert world.effects() == []
    assert [record.outcome for record in world.told] == ["timed_out"]


def longer_than_its_period(world, **options):
    """A job of 90 s every minute; during its first run time passes for the worker, too."""

    def run(context):
        note(context)
        if len(world.runs()) == 1:
            context.commit()
            world.pass_time(90, worker)

    worker = world.worker(job("* * * * *", run, **options))
    world.pass_time(61, worker)
    world.pass_time(60, worker)


def test_overlap_skip_leaves_a_tick_out_while_the_job_runs(world):
    longer_than_its_period(world, overlap="skip")
    assert world.ended() == ["12:01:00 succeeded", "12:02:00 skipped", "12:03:00 succeeded"]
    assert world.runs()[1].reason == "the run for 2026-11-25T12:01:00Z by pid 1 on here is not over"


def test_overlap_queue_has_the_tick_wait(world):
    longer_than_its_period(world, overlap="queue")
    assert world.ended() == seen(["12:01:00", "12:02:00", "12:03:00"])
    queued = world.runs()[1]
    assert queued.started - queued.tick == pytest.approx(30.0, abs=1.0)


def test_overlap_allow_runs_them_beside_each_other(world):
    longer_than_its_period(world, overlap="allow")
    assert world.ended() == seen(["12:01:00", "12:02:00", "12:03:00"])
    assert world.runs()[1].started == world.runs()[1].tick


@pytest.mark.parametrize(
    ("misfire", "ended"),
    [
        ("skip", ["12:05:00 skipped", "12:10:00 skipped", "12:15:00 succeeded"]),
        ("latest", ["12:05:00 skipped", "12:10:00 skipped", "12:15:00 succeeded"]),
        ("all", seen(["12:05:00", "12:10:00", "12:15:00"])),
    ],
)
def test_a_laptop_asleep_over_three_ticks_wakes_just_after_one(world, misfire, ended):
    worker = world.worker(job("*/5 * * * *", note, misfire=misfire))
    world.clock.advance(15 * 60 + 10)
    world.turn(worker)
    assert world.ended() == ended


@pytest.mark.parametrize(
    ("misfire", "ended"),
    [
        ("skip", seen(["12:05:00", "12:10:00", "12:15:00"], "skipped")),
        ("latest", ["12:05:00 skipped", "12:10:00 skipped", "12:15:00 succeeded"]),
        ("all", seen(["12:05:00", "12:10:00", "12:15:00"])),
    ],
)
def test_a_laptop_asleep_over_three_ticks_wakes_minutes_later(world, misfire, ended):
    worker = world.worker(job("*/5 * * * *", note, misfire=misfire))
    world.clock.advance(18 * 60)
    world.turn(worker)
    assert world.ended() == ended


def test_ticks_within_the_grace_are_all_run(world):
    worker = world.worker(job("* * * * * *", note))
    world.clock.advance(5)
    world.turn(worker)
    assert world.ended() == seen([f"12:00:0{n}" for n in range(1, 6)])


def test_what_was_missed_while_nobody_ran_is_found_in_the_ledger(world):
    world.pass_time(300, world.worker(job("*/5 * * * *", note)))
    world.clock.advance(600)
    world.turn(world.worker(job("*/5 * * * *", note)))
    assert world.ended() == ["12:05:00 succeeded", "12:10:00 skipped", "12:15:00 succeeded"]


def test_of_very_many_missed_ticks_the_latest_thousand_are_recorded(world):
    world.pass_time(1, world.worker(job("* * * * * *", note)))
    world.clock.advance(86_400)
    world.turn(world.worker(job("* * * * * *", note)))
    runs = world.runs()
    assert len(runs) == 1001
    assert runs[-1].state == "succeeded"
    assert {run.state for run in runs[1:-1]} == {"skipped"}


def test_a_clock_set_forward_an_hour_is_a_misfire(world):
    worker = world.worker(job("*/20 * * * *", note))
    world.clock.jump(3600)
    world.turn(worker)
    assert world.ended() == ["12:20:00 skipped", "12:40:00 skipped", "13:00:00 succeeded"]


def test_a_clock_that_was_wrong_for_an_hour_takes_no_tick_with_it(world):
    worker = world.worker(job("*/20 * * * *", note))
    world.clock.jump(3600)
    world.turn(worker)
    world.clock.jump(-3600)
    world.pass_time(3700, worker)
    assert world.ended() == seen(["12:20:00", "12:40:00", "13:00:00"])
    assert world.effects() == ["13:00:00", "12:20:00", "12:40:00"]


def test_a_clock_set_back_runs_no_tick_twice(world):
    worker = world.worker(job("*/20 * * * *", note))
    world.pass_time(1300, worker)
    world.clock.jump(-1200)
    world.pass_time(1300, worker)
    assert world.effects() == ["12:20:00"]
    world.pass_time(1200, worker)
    assert world.effects() == ["12:20:00", "12:40:00"]


@pytest.mark.parametrize(
    ("zone", "schedule", "day", "ticks"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00+00:00", ["2026-03-30T00:30"]),
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00+00:00",
         ["2026-10-25T00:30", "2026-10-25T01:30"]),
        ("America/New_York", "30 2 * * *", "2026-03-07T12:00+00:00", ["2026-03-09T06:30"]),
        ("America/New_York", "30 1 * * *", "2026-10-31T12:00+00:00",
         ["2026-11-01T05:30", "2026-11-01T06:30"]),
    ],
)  # fmt: skip
def test_clocks_that_change_skip_a_time_or_have_it_twice(tmp_path, zone, schedule, day, ticks):
    world = CronWorld(tmp_path, datetime.fromisoformat(day))
    worker = world.worker(job(schedule, note, timezone=zone))
    for _ in range(44 * 60):
        world.clock.advance(60.0)
        world.turn(worker)
    found = [f"{datetime.fromtimestamp(run.tick, UTC):%Y-%m-%dT%H:%M}" for run in world.runs()]
    assert found[: len(ticks)] == ticks


def test_a_paused_job_leaves_its_ticks_out_and_says_who_paused_it(world):
    worker = world.worker(job("* * * * *", note))
    assert world.ledger.pause("shop/job", "ann on host")
    assert not world.ledger.pause("shop/job", "bob on host")
    world.pass_time(60, worker)
    assert world.ledger.resume("shop/job")
    assert not world.ledger.resume("shop/job")
    world.pass_time(60, worker)
    assert world.ended() == ["12:01:00 skipped", "12:02:00 succeeded"]
    assert world.runs()[0].reason == "paused by ann on host"
    assert [record.outcome for record in world.told] == ["skipped", "succeeded"]


def a_dead_run(world, worker):
    """A run that its process has begun, and will not end."""
    world.pass_time(59, worker)
    tick = (NOON + timedelta(minutes=1)).timestamp()
    assert world.ledger.begin(Claim("shop/job", tick, "here/9/z")).verdict == "ours"


def test_the_run_of_a_dead_process_is_abandoned_after_a_lease_and_the_next_tick_completes(world):
    worker = world.worker(job("* * * * *", note))
    a_dead_run(world, worker)
    world.pass_time(62, worker)
    assert world.ended() == ["12:01:00 abandoned", "12:02:00 succeeded"]
    assert world.runs()[0].reason == "pid 9 on here has not been heard of for 30 s"
    assert 30 <= world.runs()[0].ended - world.runs()[0].tick <= 30 + LEASE / 6 + 1
    assert [record.outcome for record in world.told] == ["abandoned", "succeeded"]


def test_until_a_dead_process_is_given_up_its_job_is_not_run_beside_it(world):
    worker = world.worker(job("*/10 * * * * *", note))
    begun = world.ledger.begin(Claim("shop/job", NOON.timestamp() + 10, "here/9/z"))
    world.pass_time(50, worker)
    assert begun.run.tick == world.runs()[0].tick
    assert [run.state for run in world.runs()] == [
        "abandoned",
        *["skipped"] * 2,
        *["succeeded"] * 2,
    ]


def test_a_process_that_still_announces_itself_is_not_given_up(world):
    worker = world.worker(job("* * * * *", note))
    a_dead_run(world, worker)
    for _ in range(40):
        world.announce("here/9/z")
        world.pass_time(5, worker)
    assert world.runs()[0].state == "running"


def test_nobody_is_given_up_while_the_state_store_does_not_answer(world, monkeypatch):
    def silent():
        raise StorageError("no Redis")

    monkeypatch.setattr(world.state, "members", silent)
    worker = world.worker(job("* * * * *", note))
    a_dead_run(world, worker)
    world.pass_time(10 * LEASE, worker)
    assert world.runs()[0].state == "running"


def test_a_run_that_was_given_up_commits_nothing(world):
    def wake_up_late(context):
        (run,) = world.ledger.running()
        world.ledger.end(run, "abandoned", "silent", "", 0)
        write(context, "late")

    world.pass_time(60, world.worker(job("* * * * *", wake_up_late)))
    assert world.ended() == seen(["12:01:00"], "abandoned")
    assert world.effects() == []


def test_a_chunk_that_was_committed_stays_and_its_successor_is_fenced(world):
    def work(context):
        write(context, "one")
        context.commit()
        (run,) = world.ledger.running()
        world.ledger.end(run, "abandoned", "silent", "", 0)
        write(context, "two")
        with pytest.raises(LeaseLost):
            context.commit()

    world.pass_time(60, world.worker(job("* * * * *", work)))
    assert world.effects() == ["one"]
    assert world.ended() == seen(["12:01:00"], "abandoned")


def test_what_a_run_publishes_goes_out_with_its_commit_alone(world):
    def publish(context):
        context.publish("prices", {"tick": context.tick.minute})
        if context.tick.minute == 2:
            raise ValueError

    world.pass_time(120, world.worker(job("* * * * *", publish)))
    assert [b'"tick":1' in entry.body for entry in world.transport.read("prices", "", 10)] == [True]


def test_a_job_must_not_end_its_transaction_itself(world):
    world.pass_time(60, world.worker(job("* * * * *", lambda c: c.session.commit())))
    (run,) = world.runs()
    assert run.state == "failed"
    assert "context.commit()" in run.reason


def test_ticks_wait_while_the_ledger_does_not_answer(world):
    class Away:
        def __getattr__(self, name):
            return getattr(world.ledger, name)

        def begin(self, claim):
            if world.clock.now < NOON + timedelta(seconds=100):
                raise StorageError("no database")
            return world.ledger.begin(claim)

    worker = world.worker(job("* * * * *", note), ledger=Away())
    world.pass_time(90, worker)
    assert (world.ended(), worker.trouble) == ([], "no database")
    assert worker.facts()[0].waiting == 1
    world.pass_time(60, worker)
    assert (world.ended(), worker.trouble) == (seen(["12:01:00", "12:02:00"]), None)


def test_a_job_triggered_by_hand_leaves_the_same_record(world):
    worker = world.worker(job("0 3 * * *", note))
    ended = []
    begun = worker.trigger("shop/job", NOON.timestamp(), ended.append)
    world.turn(worker)
    assert begun.verdict == "ours"
    assert [(run.state, run.trigger) for run in world.runs()] == [("succeeded", "manual")]
    assert ended == world.runs()
    again = worker.trigger("shop/job", NOON.timestamp(), ended.append)
    assert (again.verdict, again.run.state) == ("taken", "succeeded")


def test_a_tick_that_failed_can_be_run_again_by_hand(world):
    def fail_once(context):
        note(context)
        if context.trigger == "schedule":
            raise ValueError

    worker = world.worker(job("* * * * *", fail_once))
    world.pass_time(60, worker)
    tick = world.runs()[0].tick
    worker.trigger("shop/job", tick, lambda run: None)
    world.turn(worker)
    assert world.ended() == seen(["12:01:00"])
    assert world.runs()[0].token == 2


def test_a_job_that_runs_is_not_triggered_again(world):
    answers = []

    def run(context):
        tick = world.clock.time() + 0.5
        answers.append(worker.trigger("shop/job", tick, lambda run: None))

    worker = world.worker(job("* * * * *", run))
    world.pass_time(60, worker)
    assert [(a.verdict, a.run.holder) for a in answers] == [("busy", "here/1/a")]


def test_jitter_moves_a_run_by_the_same_time_in_every_replica(world):
    workers = [
        world.worker(job("*/5 * * * *", note, jitter=100.0), holder=f"here/{n}/a") for n in range(2)
    ]
    begun = {
        worker._timetable.jobs[0].due - worker._timetable.jobs[0].next_run.timestamp()
        for worker in workers
    }
    (delay,) = begun
    assert 0 < delay < 100
    world.pass_time(410, *workers)
    (run,) = world.runs()
    assert 0 <= run.started - run.tick - delay < 1


def test_an_interval_goes_on_from_its_last_tick(world):
    world.pass_time(700, world.worker(job("@every 7m", note)))
    first = world.runs()[0].tick
    world.pass_time(500, world.worker(job("@every 7m", note)))
    assert {(run.tick - first) % 420 for run in world.runs()} == {0}
    assert first % 420 == 0


def test_health_of_a_job_tells_what_it_waits_for(world):
    worker = world.worker(job("*/5 * * * *", note))
    world.pass_time(300, worker)
    (facts,) = worker.facts()
    assert facts.next_run == (NOON + timedelta(minutes=10)).timestamp()
    assert facts.last_success == pytest.approx((NOON + timedelta(minutes=5)).timestamp())
    assert (facts.waiting, facts.running) == (0, False)


@pytest.mark.parametrize(
    ("schedule", "timeout", "tick", "late"),
    [("*/5 * * * *", 240.0, "12:10:00", 240 + 300), ("* * * * * *", None, "12:05:01", 60),
     ("0 13 * * *", None, "13:00:00", 3600), ("@every 10m", None, "12:10:00", 600)],
)  # fmt: skip
def test_a_job_has_its_next_tick_its_timeout_and_a_period_to_succeed(
    world, schedule, timeout, tick, late
):
    """A period of a minute at least, of an hour at most."""
    worker = world.worker(job(schedule, note, timeout=timeout))
    world.pass_time(300, worker)
    (facts,) = worker.facts()
    due = datetime.fromisoformat(f"{NOON:%Y-%m-%d}T{tick}+00:00")
    assert facts.success_due == due.timestamp() + late


def test_a_job_that_never_succeeded_owes_its_last_tick(world):
    """Also to the next process: else a daily job that fails goes unnoticed after each restart."""

    def fail(context):
        raise ValueError("no stock")

    broken = job("*/5 * * * *", fail)
    world.pass_time(301, world.worker(broken))
    (facts,) = world.worker(broken).facts()
    assert facts.success_due == (NOON + timedelta(minutes=10)).timestamp()


def test_hooks_hear_of_every_outcome(world):
    world.pass_time(60, world.worker(job("* * * * *", note)))
    (record,) = world.told
    tick = (NOON + timedelta(minutes=1)).timestamp()
    trace = of_run("shop/job", tick, 1)
    assert record == Ran("shop", "job", tick, "succeeded", 0.0, 0.0, 1, traceparent=trace)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"schedule": ""}, "job job: has no schedule"),
        ({"schedule": "0 61 * * * *"}, 'job job: cron "0 61 .*": minute is 61, allowed are 0-59'),
        ({"schedule": "0 0 31 2 *"}, 'cron "0 0 31 2 \\*" never fires'),
        ({"timezone": "Europe/Berln"}, "no time zone Europe/Berln; did you mean Europe/Berlin?"),
        ({"overlap": "wait"}, "job job: overlap is 'wait', must be one of"),
        ({"misfire": "none"}, "job job: misfire is 'none', must be one of"),
        ({"timeout": -1}, "job job: timeout is -1, must be seconds"),
        ({"name": "a/b"}, "job a/b: a name has letters, digits"),
    ],
)
def test_a_job_that_can_never_work_is_refused(wrong, said):
    with pytest.raises(ConfigurationError, match=said):
        check_job(job(**{"schedule": "* * * * *", "run": note, **wrong}))


def test_a_job_without_run_is_refused():
    class EmptyJob(CronJob):
        schedule = "* * * * *"

    with pytest.raises(ConfigurationError, match=r"job empty: EmptyJob has no run\(context\)"):
        check_job(EmptyJob())


@pytest.mark.parametrize(
    ("class_name", "name"),
    [("PriceSyncJob", "price_sync"), ("Cleanup", "cleanup"), ("Job", "job"),
     ("SyncHTTPCacheJob", "sync_http_cache")],
)  # fmt: skip
def test_a_job_is_named_after_its_class(class_name, name):
    assert job_name(type(class_name, (CronJob,), {})()) == name
