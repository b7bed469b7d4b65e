"""Event tests where the events, or the inbox, live on a server."""

from __future__ import annotations

import orjson

from tests.processes import Folder

EVENTS = ("loadtest", "events", "orders", "--count", "300", "--data", '{"id": 1}', "--json")


def measured(folder: Folder) -> dict:
    """The run of 300 events through the worker that runs."""
    answer = folder.call(*EVENTS)
    assert answer.returncode == 0, answer.stderr
    assert "the events go into its own data" in answer.stderr
    (run,) = orjson.loads(answer.stdout)["runs"]
    return run


def test_events_over_redis_are_measured(tmp_path, redis_url):
    folder = Folder(tmp_path, redis_url)
    try:
        folder.run().ready()
        assert measured(folder)["counts"] == {"published": 300, "applied": 300}
    finally:
        folder.close()


def test_an_inbox_in_postgresql_is_read(tmp_path, postgresql_url, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", postgresql_url)
    folder = Folder(tmp_path)
    try:
        assert folder.call("db", "upgrade").returncode == 0
        folder.run().ready()
        assert measured(folder)["counts"] == {"published": 300, "applied": 300}
    finally:
        folder.close()
