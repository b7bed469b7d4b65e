"""Clocks, locks, full disks, lost files: events wait, nothing is lost, the reason is shown."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from sqlalchemy import event, text

from tests.processes import Folder, without_privileges
from tests.waiting import until
from workerkit.core.backoff import Retry
from workerkit.errors import StorageError
from workerkit.events.envelope import Event
from workerkit.events.store import ParkedEvent
from workerkit.transports.sqlite import SqliteTransport

sqlite_only = pytest.mark.parametrize("world", ["sqlite"], indirect=True)


def order(number: int) -> Event:
    return Event("orders", {"id": number}, id=f"e{number}", source="web", time=time.time())


def write(self, payload, context) -> None:
    context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": payload.id})


class SetClock:
    """The machine's wall clock, as everything in this process sees it."""

    def __init__(self) -> None:
        self.step = 0.0
        self.real = time.time

    def time(self) -> float:
        return self.real() + self.step


@pytest.fixture
def clock(monkeypatch) -> SetClock:
    made = SetClock()
    monkeypatch.setattr(time, "time", made.time)
    return made


@pytest.fixture
def broker(world, tmp_path) -> Iterator[SqliteTransport]:
    """The world on an embedded broker, with short leases and short busy waits."""
    with closing(SqliteTransport(tmp_path / "broker.db", lease=0.5)) as opened:
        with opened.guard() as db:
            db.execute("PRAGMA busy_timeout = 100").close()
        world.transport = opened
        yield opened
        world.close()


def all_settled(world) -> bool:
    return world.transport.lag("orders", "shop").events == 0


LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
db.execute("ROLLBACK")
"""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the write lock."""
    command = [sys.executable, "-c", LOCK, path]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        yield
        other.communicate("")
    assert other.returncode == 0


@pytest.mark.parametrize("step", [-3600.0, -0.7, 3600.0, 10 * 365 * 86400.0])
def test_a_clock_that_is_set_neither_loses_nor_doubles(world, broker, clock, step):
    world.start(write, concurrency=2, lease=0.5)
    world.start(write, concurrency=2, lease=0.5)
    for turn in range(10):
        clock.step = step * (turn % 2)
        world.publish(*map(order, range(turn * 50, turn * 50 + 50)))
        time.sleep(0.02)
    clock.step = step
    world.until(lambda: all_settled(world))
    assert world.applied() == list(range(500))
    assert not {"dead", "parked", "expired"} & set(world.outcomes())


def test_a_retry_that_waits_survives_a_clock_that_is_set_forward(world, clock):
    attempts = []

    def handle(self, payload, context):
        attempts.append(context.attempt)
        if context.attempt < 3:
            clock.step += 3600
            raise RuntimeError("not yet")
        write(self, payload, context)

    world.publish(order(1))
    world.start(handle)
    world.until(lambda: world.applied() == [1])
    assert attempts == [1, 2, 3]


def test_a_retry_is_not_put_off_for_as_long_as_the_clock_was_set_back(world, clock):
    attempts = []

    def handle(self, payload, context):
        attempts.append(context.attempt)
        if context.attempt == 1:
            raise RuntimeError("not yet")
        write(self, payload, context)

    world.publish(order(1))
    world.start(handle, attributes={"retry": Retry(attempts=3, first=3000.0, cap=3000.0)})
    world.until(lambda: "parked" in world.outcomes())
    clock.step = -86400
    world.until(lambda: world.applied() == [1])
    assert attempts == [1, 2]


def test_a_retry_that_waits_is_left_alone_until_it_is_due(world, clock):
    due = time.time() + 100
    uow = world.store.begin()
    uow.park(ParkedEvent("orders", "web", "e1", "orders", b"", 1, "", "", due, False, 0.0))
    uow.commit()
    assert world.store.due("orders", 10, 30.0, longest=100.0) == []
    clock.step = 101
    assert [event.id for event in world.store.due("orders", 10, 30.0, longest=100.0)] == ["e1"]


def test_a_lease_left_by_the_dead_lapses_although_the_clock_was_set_back(world, broker, clock):
    world.publish(order(1))
    dead = broker.subscribe("orders", "shop")
    assert len(dead.receive(10, 0)) == 1
    clock.step = -3600
    world.start(write)
    world.until(lambda: world.applied() == [1])


def test_follow_ups_left_in_the_outbox_go_out_although_the_clock_was_set_back(world, clock):
    from workerkit.events.outbox import Outbox, Relay  # noqa: PLC0415

    world.store.outbox_lease = 0.1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.transport, "publish", refuse)
        with Outbox("shop", world.store, world.transport).begin() as work:
            work.publish("next", {"id": 1})
    clock.step = -3600
    relay = Relay("shop", world.store, world.transport, period=0.05)
    relay.start()
    try:
        world.until(lambda: len(world.wire("next")) == 1)
    finally:
        relay.stop(5)


def refuse(*_: Any) -> None:
    raise StorageError("broker away")


@sqlite_only
@pytest.mark.parametrize("isolate", [False, True])
def test_a_database_locked_by_another_program_delays_and_fails_nothing(world, isolate):
    attempts = []

    def handle(self, payload, context):
        write(self, payload, context)
        attempts.append(context.attempt)

    with locked(Path(world.database.url.database)):
        world.publish(*map(order, range(20)))
        world.start(handle, attributes={"isolate": isolate})
        time.sleep(1.0)
        assert (world.applied(), world.outcomes()) == ([], [])
    world.until(lambda: world.outcomes().count("applied") == 20)
    assert world.applied() == list(range(20))
    assert (set(attempts), world.store.counts()["parked"]) == ({1}, 0)


@sqlite_only
def test_a_lock_that_lasts_shows_trouble_until_it_is_gone(world):
    def impatient(connection, record) -> None:
        connection.execute("PRAGMA busy_timeout = 100").close()

    world.database.engine.dispose()
    event.listen(world.database.engine, "connect", impatient)
    attempts = []

    def handle(self, payload, context):
        write(self, payload, context)
        attempts.append(context.attempt)

    consumer = world.start(handle)
    world.publish(order(0))
    world.until(lambda: world.applied() == [0])
    with locked(Path(world.database.url.database)):
        world.publish(*map(order, range(1, 20)))
        world.until(lambda: "locked" in (consumer.trouble or ""))
        shown = []
        for _ in range(50):
            shown.append(consumer.trouble is not None)
            time.sleep(0.02)
        assert all(shown), "trouble comes and goes while the lock is held"
        assert world.applied() == [0]
    world.until(lambda: world.outcomes().count("applied") == 20)
    assert world.applied() == list(range(20))
    # A batch that fails at its commit runs its handlers again, but it is no attempt.
    assert (set(attempts), world.store.counts()["parked"]) == ({1}, 0)
    world.until(lambda: consumer.trouble is None)


def test_a_worker_shows_that_its_database_is_locked_and_goes_on_afterwards(folder):
    """As long as it takes: the lock is waited for, 5 s, before there is anything to show."""
    worker = folder.run().ready()
    with locked(folder.database):
        folder.publish(range(500))
        until(lambda: worker.health()["status"] == "degraded")
        assert "locked" in worker.health()["workers"][0]["trouble"]
        assert folder.ledger() == []
    until(lambda: folder.lag() == 0)
    until(lambda: worker.health()["status"] == "running")
    assert folder.ledger() == list(range(500))
    assert folder.ask("SELECT count(*) FROM workerkit_parked") == [(0,)]
    assert worker.stop() == 0


def test_a_locked_broker_delays_and_loses_nothing(world, broker):
    gate = threading.Event()

    def wait_and_write(self, payload, context):
        assert payload.id < 10 or gate.wait(20)
        write(self, payload, context)

    consumer = world.start(wait_and_write)
    world.publish(*map(order, range(10)))
    world.until(lambda: len(world.applied()) == 10)
    with locked(broker.path):
        began = time.monotonic()
        with pytest.raises(StorageError, match="locked"):
            world.publish(order(99))
        assert time.monotonic() - began < 4
    world.publish(*map(order, range(10, 20)))
    world.until(lambda: consumer.held == 10)
    with locked(broker.path):
        gate.set()
        world.until(lambda: "locked" in (consumer.trouble or ""))
    world.until(lambda: all_settled(world))
    assert world.applied() == list(range(20))
    world.until(lambda: consumer.trouble is None)


def test_a_stop_while_storage_is_in_trouble_gives_everything_back(world, broker, monkeypatch):
    def away(*_: Any) -> None:
        raise StorageError("database away")

    monkeypatch.setattr(world.store, "begin", away)
    consumer = world.start(write)
    world.publish(*map(order, range(20)))
    world.until(lambda: consumer.trouble == "database away")
    began = time.monotonic()
    consumer.stop(5.0)
    assert time.monotonic() - began < 3
    monkeypatch.undo()
    world.start(write)
    world.until(lambda: all_settled(world))
    assert world.applied() == list(range(20))
    assert world.outcomes() == ["applied"] * 20


def one_line(answer: subprocess.CompletedProcess[str], *facts: str) -> bool:
    (line,) = answer.stderr.strip().splitlines()
    assert line.startswith("workerkit: ")
    assert all(fact in line for fact in facts), line
    return True


@pytest.fixture
def tied(folder) -> Iterator[tuple[Folder, list[str]]]:
    """A project whose files' modes count, although root may run the tests."""
    prefix = without_privileges()
    if prefix and shutil.which("setpriv") is None:
        pytest.skip("modes do not count for root, and there is no setpriv")
    yield folder, prefix
    for path in (folder.path, *folder.path.rglob("*")):
        path.chmod(0o755)


@pytest.mark.parametrize("command", ["run", "publish"])
def test_a_data_folder_that_cannot_be_written_is_one_line(tied, command):
    folder, prefix = tied
    folder.data.mkdir()
    folder.data.chmod(0o555)
    arguments = ["orders", "--data", "{}"] if command == "publish" else []
    answer = folder.call(command, *arguments, prefix=prefix)
    assert answer.returncode == 3
    assert one_line(answer, "broker.db")


@pytest.mark.parametrize("command", ["run", "publish"])
def test_a_data_folder_that_cannot_be_made_is_one_line(tied, command):
    folder, prefix = tied
    folder.path.chmod(0o555)
    arguments = ["orders", "--data", "{}"] if command == "publish" else []
    answer = folder.call(command, *arguments, prefix=prefix)
    assert answer.returncode == 3
    assert one_line(answer, ".workerkit")


def test_a_database_folder_that_cannot_be_made_is_one_line(tied, monkeypatch):
    folder, prefix = tied
    locked_up = folder.path / "locked"
    locked_up.mkdir()
    locked_up.chmod(0o555)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{locked_up}/deeper/app.db")
    answer = folder.call("run", prefix=prefix)
    assert answer.returncode == 3
    assert one_line(answer, "deeper")


def test_a_read_only_database_is_one_line(tied):
    folder, prefix = tied
    started = folder.run().ready()
    assert started.stop() == 0
    for file in folder.data.glob("app.db*"):
        file.chmod(0o444)
    answer = folder.call("run", prefix=prefix)
    assert answer.returncode == 3
    assert one_line(answer, "app.db")


@pytest.mark.parametrize("file", ["broker.db", "app.db"])
@pytest.mark.parametrize("content", [b"this is no database" * 500, b"\0" * 8192, "torn"])
def test_a_corrupt_file_at_the_start_is_one_line(folder, file, content):
    if content == "torn":
        assert folder.run().ready().stop() == 0
        path = folder.data / file
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        whole = path.read_bytes()
        content = whole[:100] + b"\xde\xad" * ((len(whole) - 100) // 2)
    folder.data.mkdir(exist_ok=True)
    for old in folder.data.glob(f"{file}-*"):
        old.unlink()
    (folder.data / file).write_bytes(content)
    answer = folder.call("run")
    assert answer.returncode == 3
    assert one_line(answer, file)


@pytest.fixture
def small_disk(folder) -> Iterator[Folder]:
    """A project whose data folder is a disk of 16 MB."""
    folder.data.mkdir()
    mounted = os.name == "posix" and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder.data],
        capture_output=True, check=False,
    ).returncode == 0  # fmt: skip
    if not mounted:
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    folder.close()
    subprocess.run(["umount", "--lazy", folder.data], check=False)


def fill(path: Path) -> None:
    """Leave no byte free."""
    with suppress(OSError), (path / "ballast").open("ab", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    assert shutil.disk_usage(path).free == 0


def test_a_full_disk_stops_the_world_and_space_starts_it_again(small_disk):
    folder = small_disk
    worker = folder.run().ready()
    folder.publish(range(100))
    until(lambda: folder.lag() == 0)
    taken = 100
    fill(folder.data)
    with pytest.raises(StorageError, match="full"):
        while taken < 20_000:
            folder.publish([taken], batch=1)
            taken += 1
    answer = folder.call("publish", "orders", "--data", f'{{"id": 1, "pad": "{"x" * 50_000}"}}')
    assert answer.returncode == 3
    assert one_line(answer, "full")
    until(lambda: worker.health()["status"] == "degraded" or folder.lag() == 0, 20)
    assert worker.process.poll() is None
    (folder.data / "ballast").unlink()
    until(lambda: folder.lag() == 0)
    until(lambda: folder.ask("SELECT count(*) FROM workerkit_outbox") == [(0,)])
    assert folder.ledger() == list(range(taken))
    assert folder.ask("SELECT count(*) FROM workerkit_parked") == [(0,)]
    until(lambda: worker.health()["status"] == "running")
    assert worker.stop() == 0


def test_a_full_disk_under_the_database_alone_is_no_attempt(small_disk, monkeypatch, tmp_path):
    folder = small_disk
    toml = (folder.path / "workerkit.toml").read_text()
    (folder.path / "elsewhere").mkdir()
    (folder.path / "workerkit.toml").write_text('data = "elsewhere"\n' + toml)
    folder.broker_file = folder.path / "elsewhere" / "broker.db"
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{folder.database}")
    worker = folder.run().ready()
    fill(folder.data)
    folder.publish(range(3000), batch=1000)
    until(lambda: worker.health()["status"] == "degraded", 30)
    trouble = worker.health()["workers"][0]["trouble"]
    assert "full" in trouble or "disk" in trouble
    (folder.data / "ballast").write_bytes(b"")
    until(lambda: folder.lag() == 0)
    assert folder.ledger() == list(range(3000))
    assert folder.ask("SELECT count(*) FROM workerkit_parked") == [(0,)]
    until(lambda: worker.health()["status"] == "running")


@sqlite_only
def test_a_database_deleted_under_a_worker_is_said_and_nothing_is_acknowledged(world):
    consumer = world.start(write)
    world.publish(order(1))
    world.until(lambda: world.applied() == [1])
    for file in Path(world.database.url.database).parent.glob("shop.db*"):
        file.unlink()
    world.publish(*map(order, range(2, 10)))
    world.until(lambda: consumer.trouble is not None)
    assert world.transport.lag("orders", "shop").events == 8
    assert "shop.db" in (consumer.trouble or "")


def test_a_broker_deleted_under_a_worker_is_said(world, broker):
    consumer = world.start(write)
    world.publish(order(1))
    world.until(lambda: world.applied() == [1])
    for file in broker.path.parent.glob("broker.db*"):
        file.unlink()
    world.until(lambda: consumer.trouble is not None)
    assert "broker.db" in (consumer.trouble or "")
    with pytest.raises(StorageError, match=r"broker\.db"):
        world.publish(order(2))


def test_a_broker_that_comes_back_empty_does_not_hide_new_events_without_an_id(world, tmp_path):
    """Entries count from 1 again; the inbox knows those names from before."""
    for turn in range(2):
        with closing(SqliteTransport(tmp_path / f"broker-{turn}.db")) as broker:
            world.transport = broker
            world.publish(b'{"source":"web","data":{"id":%d}}' % turn)
            world.start(write)
            world.until(lambda: all_settled(world))
            world.consumer.stop(5)
    assert world.applied() == [0, 1]


def test_threads_that_publish_while_the_broker_is_locked_are_all_answered(world, broker):
    answers: list[str] = []

    def publish(number: int) -> None:
        try:
            world.publish(order(number))
            answers.append("taken")
        except StorageError:
            answers.append("refused")

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(8)]
    with locked(broker.path):
        for thread in threads:
            thread.start()
        time.sleep(0.3)
    for thread in threads:
        thread.join(10)
    assert len(answers) == 8
    world.start(write)
    world.until(lambda: all_settled(world))
    assert len(world.applied()) == answers.count("taken")
