"""Handlers that fail, hang, lie and die: their neighbours and the worker must not suffer."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import suppress
from functools import wraps

import orjson
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.waiting import until
from workerkit.errors import Reject, SessionMisuse
from workerkit.events.envelope import Event
from workerkit.events.outbox import Relay

BAD = 5
ALL = list(range(10))
GOOD = [number for number in ALL if number != BAD]


def order(number: int, **more) -> Event:
    return Event("orders", {"id": number}, id=f"e{number}", source="web", **more)


def insert(context, number: int) -> None:
    context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": number})


def as_coroutine(handle):
    @wraps(handle)
    async def later(self, payload, context):
        await asyncio.sleep(0)
        return handle(self, payload, context)

    return later


@pytest.fixture(params=["def", "async def"])
def written_as(request):
    """Turns a handler into one of the two kinds."""
    return as_coroutine if request.param == "async def" else lambda handle: handle


def still_works(world, number: int = 99) -> bool:
    """The worker applies an event published after the trouble."""
    world.publish(order(number))
    world.until(lambda: number in world.applied())
    return True


def settled(world, outcome: str, count: int) -> None:
    world.until(lambda: world.outcomes().count(outcome) >= count)


def once_each(attempts: list[int]) -> list[int]:
    """A batch that is thrown away runs its handlers again within the same attempt."""
    return list(dict.fromkeys(attempts))


def test_one_that_always_fails_leaves_nothing_but_a_dead_letter(world, written_as):
    attempts = []

    def handle(self, payload, context):
        insert(context, payload.id)
        context.publish("next", {"id": payload.id})
        if payload.id == BAD:
            attempts.append(context.attempt)
            raise RuntimeError("never")

    world.publish(*map(order, ALL))
    world.start(written_as(handle))
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert (world.applied(), once_each(attempts)) == (GOOD, [1, 2, 3])
    assert (len(world.wire("next")), world.errors()) == (9, {"RuntimeError"})
    (letter,) = world.letters()
    assert (letter.id, letter.attempts, letter.error) == ("e5", 3, "RuntimeError: never")
    assert "raise RuntimeError" in letter.traceback


def test_one_that_fails_twice_has_its_effect_and_follow_up_once(world, written_as):
    attempts = []

    def handle(self, payload, context):
        insert(context, payload.id)
        context.publish("next", {"id": payload.id})
        if payload.id == BAD:
            attempts.append(context.attempt)
            if context.attempt < 3:
                raise RuntimeError("not yet")

    world.publish(*map(order, ALL))
    world.start(written_as(handle))
    settled(world, "applied", 10)
    assert (world.applied(), once_each(attempts)) == (ALL, [1, 2, 3])
    assert len(world.wire("next")) == 10
    assert world.store.counts()["dead"] == world.store.counts()["parked"] == 0


def test_one_that_rejects_is_not_tried_again(world, written_as):
    attempts = []

    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            attempts.append(context.attempt)
            raise Reject("no such product")

    world.publish(*map(order, ALL))
    world.start(written_as(handle))
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert (world.applied(), set(attempts), world.errors()) == (GOOD, {1}, {"Reject"})


@pytest.mark.parametrize("isolate", [True, False])
def test_one_that_outlasts_the_drain_is_left_behind_and_applied_once(world, isolate):
    entered, gate, calls = threading.Event(), threading.Event(), []

    def handle(self, payload, context):
        calls.append(payload.id)
        if calls.count(0) == 1 and payload.id == 0:
            entered.set()
            gate.wait(20)
        insert(context, payload.id)

    world.transport.lease = 0.3
    world.publish(*map(order, range(5)))
    first = world.start(handle, attributes={"isolate": isolate}, lease=60.0)
    assert entered.wait(5)
    began = time.monotonic()
    first.stop(0.3)
    assert time.monotonic() - began < 10
    assert first.released == 5
    world.start(handle, attributes={"isolate": isolate})
    world.until(lambda: world.applied() == list(range(5)))
    gate.set()
    settled(world, "duplicate", 1)
    world.until(lambda: world.transport.lag("orders", "shop").events == 0)
    assert world.applied() == list(range(5))


@pytest.mark.parametrize(
    "value", [42, object(), [1], (n for n in "ab"), Event],
    ids=["a number", "an object", "a list", "a generator", "a class"],
)  # fmt: skip
def test_what_a_handler_returns_is_ignored_with_a_warning(world, written_as, value, caplog):
    def handle(self, payload, context):
        insert(context, payload.id)
        return value

    world.publish(order(1), order(2))
    with caplog.at_level(logging.WARNING):
        world.start(written_as(handle))
        settled(world, "applied", 2)
    assert world.applied() == [1, 2]
    assert "handler returned a value that is ignored" in caplog.messages


def test_a_sync_handler_past_its_timeout_has_failed(world):
    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            time.sleep(0.06)

    world.publish(*map(order, ALL))
    world.start(handle, attributes={"timeout": 0.05})
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert (world.applied(), world.errors()) == (GOOD, {"HandlerTimeout"})
    assert world.letters()[0].error == "HandlerTimeout: ran longer than 0.05 s"


def test_an_async_handler_past_its_timeout_is_cancelled_and_has_failed(world):
    cancelled = []

    async def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(context.attempt)
                raise

    world.publish(*map(order, ALL))
    world.start(handle, attributes={"timeout": 0.05})
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert (world.applied(), world.errors()) == (GOOD, {"HandlerTimeout"})
    assert once_each(cancelled) == [1, 2, 3]


def test_an_async_handler_that_swallows_its_cancellation_has_failed_too(world):
    async def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    world.publish(*map(order, ALL))
    world.start(handle, attributes={"timeout": 0.05})
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert (world.applied(), world.errors()) == (GOOD, {"HandlerTimeout"})


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_a_timeout_of_the_handlers_own_calls_is_named_as_such(world, written_as, timeout):
    def handle(self, payload, context):
        raise TimeoutError("price service")

    world.publish(order(1))
    world.start(written_as(handle), attributes={"timeout": timeout})
    settled(world, "dead", 1)
    assert world.letters()[0].error == "TimeoutError: price service"


@pytest.mark.parametrize("seconds", [0.0, 0.05], ids=["one lane", "eight lanes"])
def test_one_that_ends_its_process_is_given_up_on_alone(folder, seconds):
    folder.write(f'time.sleep({seconds})\n        if order["id"] == 5:\n            os._exit(1)')
    folder.publish(range(10))
    deaths = 0
    while deaths < 8:
        worker = folder.run()
        until(lambda worker=worker: worker.process.poll() is not None or folder.lag() == 0, 30)
        if worker.process.poll() is None:
            break
        deaths += 1
    # Twice in company, then as often as it has attempts, alone.
    assert deaths == 2 + 3
    assert folder.ledger() == GOOD
    letters = folder.ask("SELECT id, error FROM workerkit_parked WHERE dead = 1")
    assert [(event, error.partition(":")[0]) for event, error in letters] == [
        ("e5", "WorkerKilled")
    ]
    assert folder.ask("SELECT count(*) FROM workerkit_starts") == [(0,)]
    assert worker.stop() == 0


MEDDLING = {
    "session.commit": lambda session: session.commit(),
    "session.rollback": lambda session: session.rollback(),
    "session.close": lambda session: session.close(),
    "session.reset": lambda session: session.reset(),
    "session.invalidate": lambda session: session.invalidate(),
    "its transaction.commit": lambda session: session.get_transaction().commit(),
    "its transaction.rollback": lambda session: session.get_transaction().rollback(),
    "its transaction.close": lambda session: session.get_transaction().close(),
    "connection.commit": lambda session: session.connection().commit(),
    "connection.rollback": lambda session: session.connection().rollback(),
    "connection.close": lambda session: session.connection().close(),
    "connection.invalidate": lambda session: session.connection().invalidate(),
    "driver.commit": lambda session: session.connection().connection.commit(),
    "driver.rollback": lambda session: session.connection().connection.rollback(),
    "driver.close": lambda session: session.connection().connection.dbapi_connection.close(),
    "COMMIT": lambda session: session.execute(text("COMMIT")),
    "ROLLBACK": lambda session: session.execute(text("ROLLBACK")),
    "BEGIN": lambda session: session.execute(text("BEGIN")),
    "comment COMMIT": lambda session: session.execute(text("/* now */ COMMIT")),
    "driver COMMIT": lambda session: session.connection().connection.cursor().execute("COMMIT"),
    "ROLLBACK TO our own": lambda session: session.execute(
        text("ROLLBACK TO SAVEPOINT workerkit_batch")
    ),
    "RELEASE our own": lambda session: session.execute(text("RELEASE SAVEPOINT workerkit_event")),
}


@pytest.mark.parametrize("goes_on", [False, True], ids=["raises", "goes on"])
@pytest.mark.parametrize("meddling", MEDDLING)
def test_meddling_with_the_transaction_neither_loses_nor_doubles_neighbours(
    world, meddling, goes_on
):
    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            with suppress(*[Exception] if goes_on else []):
                MEDDLING[meddling](context.session)

    world.publish(*map(order, ALL))
    world.start(handle)
    world.until(lambda: world.outcomes().count("applied") + world.outcomes().count("dead") >= 10)
    applied = world.applied()
    assert [number for number in applied if number != BAD] == GOOD
    assert applied.count(BAD) <= 1
    assert world.outcomes().count("duplicate") == 0
    assert still_works(world)


def test_a_refused_commit_that_is_caught_does_no_harm(world, written_as):
    def handle(self, payload, context):
        insert(context, payload.id)
        with suppress(SessionMisuse):
            context.session.commit()

    world.publish(*map(order, ALL))
    world.start(written_as(handle))
    settled(world, "applied", 10)
    assert world.applied() == ALL


@pytest.fixture
def once(world):
    """No number twice."""
    with world.database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX once ON applied (id)")
    return world


def test_a_nested_transaction_undoes_only_itself(once, written_as):
    def handle(self, payload, context):
        insert(context, payload.id)
        with suppress(IntegrityError), context.session.begin_nested():
            insert(context, payload.id + 100)
            insert(context, payload.id)
        with context.session.begin_nested():
            insert(context, payload.id + 200)

    once.publish(*map(order, ALL))
    once.start(written_as(handle))
    settled(once, "applied", 10)
    assert once.applied() == ALL + [number + 200 for number in ALL]


def test_a_nested_transaction_left_open_is_kept_with_the_event(world, written_as):
    def handle(self, payload, context):
        context.session.begin_nested()
        insert(context, payload.id)
        if payload.id == BAD:
            raise Reject("no")

    world.publish(*map(order, ALL))
    world.start(written_as(handle))
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert world.applied() == GOOD


@pytest.mark.parametrize("isolate", [True, False])
def test_a_caught_integrity_error_harms_no_neighbour(once, written_as, isolate):
    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            with suppress(IntegrityError):
                insert(context, payload.id)

    once.publish(*map(order, ALL))
    once.start(written_as(handle), attributes={"isolate": isolate})
    once.until(lambda: {"e5"} <= {r.event_id for r in once.recorder.records
                                  if r.outcome in ("applied", "dead")})  # fmt: skip
    settled(once, "applied", 9)
    if once.database.sqlite:
        once.until(lambda: once.applied() == ALL)
    else:
        # PostgreSQL refuses all further statements of a transaction after an error in it.
        assert (once.applied(), once.errors()) == (GOOD, {"SessionMisuse"})


class Base(DeclarativeBase):
    pass


class Stock(Base):
    __tablename__ = "stock"
    id: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[int]


@pytest.fixture
def stocked(world):
    """One row with level 0."""
    with world.database.engine.begin() as connection:
        Base.metadata.create_all(connection)
        connection.exec_driver_sql("INSERT INTO stock VALUES (1, 0)")
    return world


def level(world) -> int:
    with world.database.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT level FROM stock").scalar()


def test_what_a_failed_handler_changed_in_an_object_is_forgotten(stocked, written_as):
    def handle(self, payload, context):
        stock = context.session.get(Stock, 1)
        stock.level += 1
        if payload.id in (2, BAD):
            raise Reject("no")

    stocked.publish(*map(order, ALL))
    stocked.start(written_as(handle))
    settled(stocked, "dead", 2)
    settled(stocked, "applied", 8)
    assert level(stocked) == 8


def test_an_object_that_the_database_refuses_is_its_own_events_failure(stocked, written_as):
    def handle(self, payload, context):
        insert(context, payload.id)
        context.session.add(Stock(id=payload.id + (1 if payload.id == 0 else 100), level=1))

    stocked.publish(*map(order, ALL))
    stocked.start(written_as(handle))
    settled(stocked, "dead", 1)
    settled(stocked, "applied", 9)
    assert (stocked.applied(), stocked.errors()) == (ALL[1:], {"IntegrityError"})


UNPUBLISHABLE = {
    "an object": object(),
    "a set": {1},
    "bytes": b"x",
    "a huge integer": 2**70,
    "half a surrogate": "\ud800",
    "itself": (loop := []),
}
loop.append(loop)


@pytest.mark.parametrize("data", UNPUBLISHABLE)
def test_one_that_publishes_what_is_not_json_is_given_up_on(world, written_as, data):
    def handle(self, payload, context):
        insert(context, payload.id)
        context.publish("next", {"id": payload.id})
        if payload.id == BAD:
            context.publish("next", UNPUBLISHABLE[data])

    world.publish(*map(order, ALL))
    world.start(written_as(handle))
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert (world.applied(), len(world.wire("next"))) == (GOOD, 9)


@pytest.mark.parametrize("topic", [None, 7, "", "\ud800"])
def test_one_that_publishes_to_no_topic_is_given_up_on(world, topic):
    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            context.publish(topic, {})

    world.publish(*map(order, ALL))
    world.start(handle)
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert (world.applied(), world.store.counts()["outbox"]) == (GOOD, 0)


@pytest.mark.parametrize(
    "error", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, BaseException]
)
def test_one_that_raises_what_is_no_exception_fails_like_any_other(world, written_as, error):
    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            raise error("out")

    world.publish(*map(order, ALL))
    world.start(written_as(handle))
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert (world.applied(), world.errors()) == (GOOD, {error.__name__})
    assert still_works(world)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __str__


class Untextual(Exception):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]  # noqa: PLE0307 the point of the test


def deep_chain() -> Exception:
    error: Exception = ValueError("first")
    for _ in range(3000):
        nested = ValueError("next")
        nested.__cause__ = error
        error = nested
    return error


STRANGE = {
    "its text raises": Unspeakable,
    "its text is no text": Untextual,
    "NUL": lambda: RuntimeError("a\x00b"),
    "half a surrogate": lambda: RuntimeError("a\ud800b"),
    "no text": RuntimeError,
    "a group": lambda: ExceptionGroup("many", [ValueError(1), Unspeakable()]),
    "a chain without end": deep_chain,
    "RecursionError": RecursionError,
    "MemoryError": MemoryError,
    "StopIteration": StopIteration,
    "OSError": lambda: OSError(28, "No space left on device"),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_an_error_of_any_kind_can_be_kept(world, written_as, strange):
    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            raise STRANGE[strange]()

    world.publish(*map(order, ALL))
    world.start(written_as(handle))
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert world.applied() == GOOD
    assert [letter.attempts for letter in world.letters()] == [3]
    assert still_works(world)


def test_a_long_error_is_kept_in_part(world, written_as, caplog):
    def handle(self, payload, context):
        raise RuntimeError("x" * 2_000_000)

    world.publish(order(1))
    world.start(written_as(handle))
    settled(world, "dead", 1)
    (letter,) = world.letters()
    assert letter.error.startswith("RuntimeError: xxx")
    assert len(letter.error) < 20_000
    assert len(letter.traceback) < 20_000
    assert all(len(record.message) < 20_000 for record in world.recorder.records)


def test_trouble_of_another_database_is_the_handlers_own_failure(world, written_as, tmp_path):
    elsewhere = create_engine(f"sqlite:///{tmp_path}/no/such/folder/legacy.db")

    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            elsewhere.connect()

    world.publish(*map(order, ALL))
    world.start(written_as(handle))
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert (world.applied(), world.errors()) == (GOOD, {"OperationalError"})


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_one_that_writes_past_its_session_fails_on_its_own_lock(world):
    beside = create_engine(world.database.engine.url, connect_args={"timeout": 0.05})

    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            with beside.begin() as connection:
                connection.exec_driver_sql("INSERT INTO applied VALUES (555)")

    world.publish(*map(order, ALL))
    world.start(handle)
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert (world.applied(), world.errors()) == (GOOD, {"OperationalError"})
    beside.dispose()


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_a_statement_past_its_own_time_limit_is_the_handlers_failure(world):
    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            context.session.execute(text("SET LOCAL statement_timeout = 20"))
            context.session.execute(text("SELECT pg_sleep(5)"))

    world.publish(*map(order, ALL))
    world.start(handle)
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert world.applied() == GOOD


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_connections_ended_by_the_server_are_no_attempts(world, postgresql):
    attempts = []

    def handle(self, payload, context):
        insert(context, payload.id)
        attempts.append(context.attempt)
        if payload.id % 50 == 0:
            with suppress(OperationalError):
                context.session.execute(text("SELECT pg_sleep(0.01)"))

    name = world.database.url.database
    end = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        f"WHERE datname = '{name}' AND backend_type = 'client backend'"
    )
    world.start(handle, concurrency=2)
    for turn in range(8):
        world.publish(*map(order, range(turn * 100, turn * 100 + 100)))
        time.sleep(0.05)
        postgresql.run(end)
    world.until(lambda: world.transport.lag("orders", "shop").events == 0, 30)
    assert world.applied() == list(range(800))
    assert set(attempts) == {1}
    assert not {"dead", "parked"} & set(world.outcomes())
    world.until(lambda: world.consumer.trouble is None)


END_OURS = text("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_a_lost_connection_that_the_handler_kept_silent_about_is_no_attempt(world):
    attempts = []

    def handle(self, payload, context):
        insert(context, payload.id)
        attempts.append(context.attempt)
        if len(attempts) == 1:
            with suppress(OperationalError):
                context.session.execute(END_OURS)

    world.publish(order(1))
    world.start(handle, attributes={"isolate": True})
    settled(world, "applied", 1)
    assert (world.applied(), attempts) == ([1], [1, 1])


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_a_handler_that_always_ends_its_connection_in_silence_is_given_up_on(world):
    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            with suppress(OperationalError):
                context.session.execute(END_OURS)

    world.publish(*map(order, ALL))
    world.start(handle)
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert world.applied() == GOOD


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_a_server_that_crashes_in_the_middle_delays_and_fails_nothing(world, postgresql):
    attempts = []

    def handle(self, payload, context):
        insert(context, payload.id)
        context.publish("next", {"id": payload.id})
        attempts.append(context.attempt)
        time.sleep(0.001)

    world.store.outbox_lease = 0.1
    consumer = world.start(handle, concurrency=2)
    relay = Relay("shop", world.store, world.transport, period=0.05)
    relay.start()
    for turn in range(2):
        world.publish(*map(order, range(turn * 300, turn * 300 + 300)))
        world.until(lambda turn=turn: len(attempts) > turn * 300 + 50)
        postgresql.restart()
    world.until(lambda: world.transport.lag("orders", "shop").events == 0, 30)
    world.until(lambda: world.store.counts()["outbox"] == 0, 30)
    relay.stop(5)
    assert world.applied() == list(range(600))
    assert len({orjson.loads(body)["id"] for body in world.wire("next")}) == 600
    assert set(attempts) == {1}
    assert not {"dead", "parked"} & set(world.outcomes())
    world.until(lambda: consumer.trouble is None)


def test_an_isolated_event_is_never_run_again_for_its_neighbours_sake(world, written_as):
    calls = []

    def handle(self, payload, context):
        calls.append(payload.id)
        insert(context, payload.id)
        if payload.id == BAD:
            raise RuntimeError("never")

    world.publish(*map(order, ALL))
    world.start(written_as(handle), attributes={"isolate": True})
    settled(world, "dead", 1)
    settled(world, "applied", 9)
    assert world.applied() == GOOD
    assert sorted(calls) == sorted([*ALL, BAD, BAD])


def test_an_isolated_event_is_committed_before_the_next_one_starts(world, written_as):
    seen = []

    def handle(self, payload, context):
        seen.append(world.applied())
        insert(context, payload.id)

    world.publish(*map(order, range(4)))
    world.start(written_as(handle), attributes={"isolate": True})
    settled(world, "applied", 4)
    assert seen == [[], [0], [0, 1], [0, 1, 2]]


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
@pytest.mark.parametrize("isolate", [True, False])
def test_an_action_that_fails_after_the_commit_undoes_nothing(world, isolate, error, caplog):
    done = []

    def handle(self, payload, context):
        insert(context, payload.id)
        if payload.id == BAD:
            context.after_commit(fail)
        context.after_commit(lambda: done.append(payload.id))

    def fail():
        raise error("cache away")

    world.publish(*map(order, ALL))
    world.start(handle, attributes={"isolate": isolate})
    settled(world, "applied", 10)
    assert world.applied() == sorted(done) == ALL
    assert world.outcomes().count("applied") == len(world.outcomes()) == 10
    assert "after_commit action failed" in caplog.messages


def test_actions_run_after_the_commit_and_only_for_what_committed(world, written_as):
    seen = []

    def handle(self, payload, context):
        insert(context, payload.id)
        context.after_commit(lambda: seen.append((payload.id, payload.id in world.applied())))
        if payload.id == BAD and context.attempt == 1:
            raise RuntimeError("not yet")

    world.publish(*map(order, ALL))
    world.start(written_as(handle))
    settled(world, "applied", 10)
    assert sorted(seen) == [(number, True) for number in ALL]
