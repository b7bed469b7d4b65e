from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.processes import Folder
from tests.redis_process import RedisProcess
from tests.servers import PostgreSQL

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of single tests."""
    parser.addoption(
        "--alerts-table", metavar="FILE",
        help="try every fault that an alert is for, and write what was measured to FILE",
    )  # fmt: skip


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server; the test is skipped where none is installed."""
    server = PostgreSQL()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """An empty PostgreSQL database."""
    url = postgresql.fresh()
    yield url
    postgresql.take_back(url)


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisProcess]:
    """A Redis server; the test is skipped where none is installed."""
    server = RedisProcess()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def redis_url(redis: RedisProcess) -> str:
    """An empty Redis server."""
    redis.command("FLUSHALL")
    return redis.url


@pytest.fixture
def folder(tmp_path) -> Iterator[Folder]:
    """A project whose processes are ended with the test."""
    opened = Folder(tmp_path)
    yield opened
    opened.close()
