"""What several of these tests open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.browser import Browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    """Chromium, without which the module is left out."""
    with closing(Browser(tmp_path_factory.mktemp("chromium"))) as opened:
        yield opened
