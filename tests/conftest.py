from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes import Folder
from tests.servers import PostgreSQL


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
def postgresql_url(postgresql: PostgreSQL) -> str:
    """An empty PostgreSQL database."""
    return postgresql.fresh()


@pytest.fixture
def folder(tmp_path) -> Iterator[Folder]:
    """A project whose processes are ended with the test."""
    opened = Folder(tmp_path)
    yield opened
    opened.close()
