"""The warehouse, seen from here: a page of stock levels at a time, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPException
from urllib.parse import urlencode
from urllib.request import urlopen

from pydantic import TypeAdapter

from .payloads import Level

PAGE = 100

TIMEOUT = 5.0
"""Seconds for one page."""

_LEVELS = TypeAdapter(list[Level])


class WarehouseUnreachable(Exception):
    """The warehouse does not answer, or with something else."""


class Warehouse:
    """The API at *url*, e.g. `http://localhost:8021`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def pages(self) -> Iterator[list[Level]]:
        """Every level, PAGE at a time.

        Raises:
            WarehouseUnreachable: Says which page, and why.
        """
        after = ""
        while page := self._page(after):
            yield page
            after = page[-1].sku

    def _page(self, after: str) -> list[Level]:
        address = f"{self.url}/stock?{urlencode({'after': after, 'limit': PAGE})}"
        try:
            with urlopen(address, timeout=TIMEOUT) as answer:
                return _LEVELS.validate_json(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            raise WarehouseUnreachable(f"{address}: {error}") from error
