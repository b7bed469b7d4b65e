from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.shops import Shop


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Iterator[Shop]:
    """A project with one worker; its processes end with the test."""
    opened = Shop(tmp_path, monkeypatch)
    yield opened
    opened.close()
