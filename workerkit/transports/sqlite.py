"""The embedded broker: one SQLite file that all processes of a project share.

A group's position in a topic is its `cursor`; what lies between cursor and
acknowledgement is a row of `pending` with a lease. A commit is followed by a
UDP datagram on loopback to every listening process; a slow poll covers a
datagram that was lost.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import orjson

from ..core.files import SameFile, use_wal
from ..errors import StorageError
from ..events.transport import Delivery, Lag, Message

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL,
    body BLOB NOT NULL, published REAL NOT NULL);
CREATE INDEX IF NOT EXISTS messages_topic ON messages (topic, seq);
CREATE TABLE IF NOT EXISTS groups (
    topic TEXT, name TEXT, cursor INTEGER NOT NULL, PRIMARY KEY (topic, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    topic TEXT, name TEXT, seq INTEGER, consumer TEXT NOT NULL, until REAL NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (topic, name, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS listeners (port INTEGER PRIMARY KEY, until REAL NOT NULL);
"""

_TOPICS = """
WITH RECURSIVE found (topic) AS (
    SELECT min(topic) FROM messages
    UNION ALL SELECT (SELECT min(m.topic) FROM messages m WHERE m.topic > found.topic)
    FROM found WHERE found.topic IS NOT NULL)
SELECT topic FROM found WHERE topic IS NOT NULL
"""
"""Hops from topic to topic in the index; DISTINCT would read every entry of it."""

_PRAGMAS = ("synchronous=NORMAL", "cache_size=-16000", "wal_autocheckpoint=8000")

_TRIM = """
DELETE FROM messages WHERE seq IN (
    SELECT seq FROM messages WHERE topic = ?1 AND seq < min(
        (SELECT min(cursor + 1) FROM groups WHERE topic = ?1),
        coalesce((SELECT min(seq) FROM pending WHERE topic = ?1), 9e18),
        (SELECT seq FROM messages WHERE topic = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2 - 1))
    ORDER BY seq LIMIT ?3)
"""
"""`min` is NULL, and nothing is deleted, without a group or with fewer entries than are kept."""

KEPT = 1000
"""Entries of a topic that stay after every group has settled them, to be looked at."""

CHUNK = 2000
"""Entries that one transaction deletes, so that it holds the lock for milliseconds."""

_LAPSED = "(p.until < ? OR p.until > ? OR (? AND p.consumer <> ?))"
"""Past its end, or so far from it that the clock must have been set back.

To who is `alone` also what others hold.
"""

POLL = 0.5
"""Seconds between looks when no datagram arrives."""


class SqliteTransport:
    """See `events.transport.Transport`; `lease` in seconds."""

    def __init__(self, path: Path, lease: float = 30.0) -> None:
        self.path = path
        self.lease = lease
        self._lock = threading.Lock()
        self._file = SameFile(path, "embedded broker")
        self._nudge = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._nudge.setblocking(False)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=5.0
            )
            use_wal(self._db)
            for pragma in _PRAGMAS:
                self._db.execute(f"PRAGMA {pragma}").close()
            if not self._db.execute(
                "SELECT 1 FROM sqlite_master WHERE name='listeners'"
            ).fetchone():
                self._db.executescript(_SCHEMA)
                # Names of entries never repeat, not even after the file was made anew.
                first = int(time.time() * 1000) * 1000
                self._db.execute("INSERT INTO sqlite_sequence VALUES ('messages', ?)", (first,))
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"embedded broker {path}: {error}") from error

    def publish(self, messages: Sequence[Message]) -> None:
        """Return once *messages* are committed, in order."""
        with self.transaction() as db:
            insert_messages(db, messages)
            ports = listening(db)
        self.nudge(ports)

    def subscribe(self, topic: str, group: str, *, alone: bool = False) -> SqliteSubscription:
        """Join *group* on *topic*; a new group starts at the oldest event kept."""
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO groups VALUES (?, ?, 0)", (topic, group))
        return SqliteSubscription(self, topic, group, alone)

    def lag(self, topic: str, group: str) -> Lag:
        """What *group* has not settled of *topic*; all of it when the group is unknown."""
        query = """
            WITH open AS (
                SELECT published FROM messages WHERE topic = :topic AND seq > COALESCE(
                    (SELECT cursor FROM groups WHERE topic = :topic AND name = :name), 0)
                UNION ALL
                SELECT m.published FROM pending p JOIN messages m USING (seq)
                WHERE p.topic = :topic AND p.name = :name)
            SELECT count(*), min(published) FROM open"""
        with self.guard() as db:
            count, oldest = db.execute(query, {"topic": topic, "name": group}).fetchone()
        return Lag(count, max(0.0, time.time() - oldest) if count else 0.0)

    def topics(self) -> dict[str, list[str]]:
        """Every topic with its groups, in alphabetical order."""
        with self.guard() as db:
            found: dict[str, list[str]] = {topic: [] for (topic,) in db.execute(_TOPICS)}
            for topic, group in db.execute("SELECT topic, name FROM groups ORDER BY 1, 2"):
                found.setdefault(topic, []).append(group)
        return dict(sorted(found.items()))

    def read(self, topic: str, after: str, limit: int) -> list[Delivery]:
        """Up to *limit* entries behind *after*, oldest first."""
        query = """SELECT topic, body, CAST(seq AS TEXT), 0, published FROM messages
            WHERE topic = ? AND seq > ? ORDER BY seq LIMIT ?"""
        with self.guard() as db:
            rows = db.execute(query, (topic, int(after or 0), limit)).fetchall()
        return [Delivery(*row) for row in rows]

    def latest(self, topic: str, limit: int) -> list[Delivery]:
        """The newest entries, oldest first."""
        query = """SELECT topic, body, CAST(seq AS TEXT), 0, published FROM messages
            WHERE topic = ? ORDER BY seq DESC LIMIT ?"""
        with self.guard() as db:
            rows = db.execute(query, (topic, limit)).fetchall()
        return [Delivery(*row) for row in reversed(rows)]

    def last(self, topic: str) -> str:
        """The newest entry's name."""
        with self.guard() as db:
            query = "SELECT max(seq) FROM messages WHERE topic = ?"
            (newest,) = db.execute(query, (topic,)).fetchone()
        return "" if newest is None else str(newest)

    def tidy(self, topics: Iterable[str]) -> None:
        """Delete what every group of *topics* has settled, CHUNK entries in a transaction."""
        for topic in topics:
            deleted = CHUNK
            while deleted == CHUNK:
                with self.transaction() as db:
                    deleted = db.execute(_TRIM, (topic, KEPT, CHUNK)).rowcount

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
        self._nudge.close()

    def nudge(self, ports: Sequence[int]) -> None:
        """Wake the listening processes; a full or closed socket is their poll's business."""
        for port in ports:
            with suppress(OSError):
                self._nudge.sendto(b"!", ("127.0.0.1", port))

    @contextmanager
    def guard(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time, with its errors as ours."""
        with self._lock:
            self._file.check()
            try:
                yield self._db
            except sqlite3.Error as error:
                raise StorageError(f"embedded broker {self.path}: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction."""
        with self.guard() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise


class SqliteSubscription:
    """See `events.transport.Subscription`."""

    def __init__(self, transport: SqliteTransport, topic: str, group: str, alone: bool) -> None:
        self.transport = transport
        self.topic = topic
        self.group = group
        self.alone = alone
        self.consumer = f"{os.getpid()}-{uuid4().hex[:8]}"
        self._bell = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._bell.bind(("127.0.0.1", 0))
        self._port = self._bell.getsockname()[1]
        self._listed_until = 0.0
        self._next_claim = 0.0
        self._version = -1

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Up to *limit* deliveries; waits *timeout* seconds for the first."""
        end = time.monotonic() + timeout
        while True:
            self._list()
            taken = self._take(limit)
            left = end - time.monotonic()
            if taken or left <= 0:
                return taken
            self._bell.settimeout(min(left, POLL))
            with suppress(TimeoutError, BlockingIOError):
                if self._bell.recv(8) == b"wake":
                    return []

    def settle(self, done: Sequence[Delivery], follow_ups: Sequence[Message]) -> None:
        """Publish *follow_ups* and acknowledge *done* in one transaction."""
        ports: list[int] = []
        with self.transport.transaction() as db:
            if follow_ups:
                insert_messages(db, follow_ups)
                ports = listening(db)
            db.execute(
                "DELETE FROM pending WHERE topic = ? AND name = ? AND consumer = ? AND seq IN "
                "(SELECT value FROM json_each(?))",
                (self.topic, self.group, self.consumer, _entries(done)),
            )
        self.transport.nudge(ports)

    def renew(self, held: Sequence[Delivery]) -> None:
        """Hold *held* for another lease."""
        self._set_until(held, time.time() + self.transport.lease, 0)

    def release(self, held: Sequence[Delivery]) -> None:
        """Give *held* back at once, uncounted."""
        self._set_until(held, 0.0, 1)

    def wake(self) -> None:
        """Make a waiting `receive` return."""
        with suppress(OSError):
            self._bell.sendto(b"wake", ("127.0.0.1", self._port))

    def close(self) -> None:
        """Stop listening."""
        with suppress(StorageError), self.transport.transaction() as db:
            db.execute("DELETE FROM listeners WHERE port = ?", (self._port,))
        self._bell.close()

    def _list(self) -> None:
        now = time.time()
        if now < self._listed_until:
            return
        with self.transport.transaction() as db:
            db.execute("DELETE FROM listeners WHERE until < ?", (now,))
            db.execute("INSERT OR REPLACE INTO listeners VALUES (?, ?)", (self._port, now + 120))
        self._listed_until = now + 60

    def _take(self, limit: int) -> list[Delivery]:
        now = time.time()
        claiming = self._anything_lapsed(now)
        if not claiming and not self._anything_new():
            return []
        with self.transport.transaction() as db:
            rows = self._lapsed(db, now, limit) if claiming or self.alone else []
            if len(rows) < limit:
                rows += self._fresh(db, now, limit - len(rows))
        return [Delivery(self.topic, body, str(seq), n, at) for seq, body, at, n in rows]

    def _anything_new(self) -> bool:
        with self.transport.guard() as db:
            query = """SELECT 1 FROM messages WHERE topic = ?1 AND seq > COALESCE(
                (SELECT cursor FROM groups WHERE topic = ?1 AND name = ?2), 0) LIMIT 1"""
            return db.execute(query, (self.topic, self.group)).fetchone() is not None

    def _bounds(self, now: float) -> tuple[float, float, bool, str]:
        """For _LAPSED; no lease that was given by this clock ends after the second."""
        latest = now + max(0.0, self.transport.lease) + 60.0
        return (now, latest, self.alone, self.consumer)

    def _anything_lapsed(self, now: float) -> bool:
        """Whether a lease has lapsed; looked for about once a second."""
        if time.monotonic() < self._next_claim:
            return False
        with self.transport.guard() as db:
            query = f"SELECT 1 FROM pending p WHERE topic = ? AND name = ? AND {_LAPSED} LIMIT 1"
            values = (self.topic, self.group, *self._bounds(now))
            if db.execute(query, values).fetchone() is not None:
                return True
        self._next_claim = time.monotonic() + min(1.0, self.transport.lease / 3)
        return False

    def _lapsed(
        self, db: sqlite3.Connection, now: float, limit: int
    ) -> list[tuple[int, bytes, float, int]]:
        rows: list[tuple[int, bytes, float, int]] = db.execute(
            "SELECT p.seq, m.body, m.published, p.count + 1 FROM pending p JOIN messages m "
            f"USING (seq) WHERE p.topic = ? AND p.name = ? AND {_LAPSED} ORDER BY p.seq LIMIT ?",
            (self.topic, self.group, *self._bounds(now), -1 if self.alone else limit),
        ).fetchall()
        db.executemany(
            "UPDATE pending SET consumer = ?, until = ?, count = ? "
            "WHERE topic = ? AND name = ? AND seq = ?",
            [
                (self.consumer, now + self.transport.lease, n, self.topic, self.group, seq)
                for seq, _, _, n in rows
            ],
        )
        return rows

    def _fresh(
        self, db: sqlite3.Connection, now: float, limit: int
    ) -> list[tuple[int, bytes, float, int]]:
        rows: list[tuple[int, bytes, float, int]] = db.execute(
            "SELECT seq, body, published, 1 FROM messages WHERE topic = ?1 AND seq > "
            "(SELECT cursor FROM groups WHERE topic = ?1 AND name = ?2) ORDER BY seq LIMIT ?3",
            (self.topic, self.group, limit),
        ).fetchall()
        if rows:
            db.execute(
                "INSERT INTO pending SELECT ?, ?, value, ?, ?, 1 FROM json_each(?)",
                (
                    self.topic, self.group, self.consumer, now + self.transport.lease,
                    orjson.dumps([row[0] for row in rows]).decode(),
                ),
            )  # fmt: skip
            db.execute(
                "UPDATE groups SET cursor = ? WHERE topic = ? AND name = ?",
                (rows[-1][0], self.topic, self.group),
            )
        return rows

    def _set_until(self, held: Sequence[Delivery], until: float, uncount: int) -> None:
        with self.transport.transaction() as db:
            db.execute(
                "UPDATE pending SET until = ?, count = count - ? WHERE topic = ? AND name = ? "
                "AND consumer = ? AND seq IN (SELECT value FROM json_each(?))",
                (until, uncount, self.topic, self.group, self.consumer, _entries(held)),
            )


def insert_messages(db: sqlite3.Connection, messages: Sequence[Message]) -> None:
    """Append *messages*; to be called within a transaction."""
    now = time.time()
    db.executemany(
        "INSERT INTO messages (topic, body, published) VALUES (?, ?, ?)",
        [(message.topic, message.body, now) for message in messages],
    )


def listening(db: sqlite3.Connection) -> list[int]:
    """Ports of the processes to nudge."""
    return [port for (port,) in db.execute("SELECT port FROM listeners")]


def _entries(deliveries: Sequence[Delivery]) -> str:
    return "[" + ",".join(delivery.entry for delivery in deliveries) + "]"
