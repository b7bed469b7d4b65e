from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from workerkit.core.files import use_wal


@pytest.fixture
def file(tmp_path):
    return tmp_path / "new.db"


def opened(file) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(file, isolation_level=None, timeout=0, check_same_thread=False))


def test_a_file_that_another_process_is_making_is_waited_for(file):
    with opened(file) as other, opened(file) as ours:
        other.execute("BEGIN EXCLUSIVE")
        threading.Timer(0.05, other.execute, ["COMMIT"]).start()
        use_wal(ours)
        assert ours.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_that_stays_locked_is_given_up(file):
    with opened(file) as other, opened(file) as ours:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            use_wal(ours, patience=0.02)


def test_what_is_no_database_is_said_at_once(file):
    file.write_bytes(b"no database, but long enough to be seen as none" * 100)
    with opened(file) as ours, pytest.raises(sqlite3.DatabaseError, match="not a database"):
        use_wal(ours)
