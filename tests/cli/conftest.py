from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.desk import Desk
from tests.shops import Shop


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Iterator[Shop]:
    """A project with one worker; its processes end with the test."""
    opened = Shop(tmp_path, monkeypatch)
    yield opened
    opened.close()


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Iterator[Desk]:
    """A folder to make projects in; what is imported from them goes with the test."""
    opened = Desk(tmp_path, monkeypatch)
    yield opened
    opened.close()
