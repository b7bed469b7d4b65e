from __future__ import annotations

from collections.abc import Iterator

import pytest

from workerkit.transports.memory import MemoryTransport
from workerkit.transports.sqlite import SqliteTransport


@pytest.fixture(params=["memory", "sqlite"])
def transport(request, tmp_path) -> Iterator[MemoryTransport | SqliteTransport]:
    """One of every transport, with a lease that lapses at once when asked to."""
    opened = (
        MemoryTransport(lease=30.0)
        if request.param == "memory"
        else SqliteTransport(tmp_path / "broker.db", lease=30.0)
    )
    yield opened
    opened.close()
