from __future__ import annotations

from collections.abc import Iterator

import pytest

from workerkit.events.transport import Broker
from workerkit.transports.memory import MemoryTransport
from workerkit.transports.redis_streams import RedisStreamsTransport
from workerkit.transports.sqlite import SqliteTransport


@pytest.fixture(params=["memory", "sqlite", "redis"])
def transport(request, tmp_path) -> Iterator[Broker]:
    """One of every transport, empty, with a lease that lapses at once when asked to."""
    opened: Broker
    if request.param == "memory":
        opened = MemoryTransport(lease=30.0)
    elif request.param == "sqlite":
        opened = SqliteTransport(tmp_path / "broker.db", lease=30.0)
    else:
        opened = RedisStreamsTransport(request.getfixturevalue("redis_url"), lease=30.0)
    yield opened
    opened.close()
