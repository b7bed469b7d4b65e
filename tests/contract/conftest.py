from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dapr_place import DaprPlace
from workerkit.events.transport import Broker
from workerkit.transports.memory import MemoryTransport
from workerkit.transports.redis_streams import RedisStreamsTransport
from workerkit.transports.sqlite import SqliteTransport

TRANSPORTS = ("memory", "sqlite", "redis", "dapr")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test over every transport, but for those whose difference its module names."""
    if "transport" in metafunc.fixturenames:
        differs = getattr(metafunc.module, "DIFFERS", {})
        test = metafunc.function.__name__
        chosen = [name for name in TRANSPORTS if test not in differs.get(name, {})]
        metafunc.parametrize("transport", chosen, indirect=True)


@pytest.fixture
def transport(request, tmp_path) -> Iterator[Broker]:
    """One of every transport, empty, with a lease that lapses at once when asked to."""
    opened: Broker
    if request.param == "dapr":
        place = DaprPlace(tmp_path, group="g")
        for topic in ("t", "next"):
            place.transport.subscribe(topic, "g")
        place.start_receiving()
        place.start_sidecar()
        assert place.transport.callbacks.asked.wait(10)
        yield place.transport
        place.close()
        return
    if request.param == "memory":
        opened = MemoryTransport(lease=30.0)
    elif request.param == "sqlite":
        opened = SqliteTransport(tmp_path / "broker.db", lease=30.0)
    else:
        opened = RedisStreamsTransport(request.getfixturevalue("redis_url"), lease=30.0)
    yield opened
    opened.close()
