from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import settings

from tests.processes import Folder
from tests.redis_process import RedisProcess
from tests.servers import PostgreSQL
from tests.started import Place

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
    with closing(Folder(tmp_path)) as opened:
        yield opened


@pytest.fixture(params=["embedded", "redis"])
def folder_on_either(request, tmp_path) -> Iterator[Folder]:
    """The same on the embedded broker, and on Redis."""
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    with closing(Folder(tmp_path, url)) as opened:
        yield opened


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    """An empty folder, whose processes are ended with the test."""
    (tmp_path / "project").mkdir()
    with closing(Place(tmp_path / "project")) as opened:
        yield opened
