"""Several processes of one service behind one admin port."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import orjson

from ..observability.admin import admin_routes
from ..observability.merged import MergedMetrics, merge_health

TIMEOUT = 2.0
"""Seconds that a process has to answer."""


class Replicas:
    """Asks the processes on *ports* of *host*, all at once."""

    def __init__(self, host: str, ports: Sequence[int]) -> None:
        self.host = host
        self.ports = list(ports)
        self.metrics = MergedMetrics(self._metrics)
        self._pool = ThreadPoolExecutor(max(1, len(self.ports)), thread_name_prefix="replicas")

    def app(self, hosts: frozenset[str] | None) -> Any:
        """An ASGI application: the paths that every process serves, answered for all of them."""
        return admin_routes(self.health, self.live, self.metrics.render, hosts)

    def health(self) -> dict[str, Any]:
        """Worst status, summed counts."""
        answers = self._ask("/health")
        return merge_health([None if body is None else orjson.loads(body) for body in answers])

    def live(self) -> bool:
        """Always: each process is watched, and started again alone."""
        return True

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False)

    def _metrics(self) -> list[str | None]:
        return [None if body is None else body.decode() for body in self._ask("/metrics")]

    def _ask(self, path: str) -> list[bytes | None]:
        return list(self._pool.map(lambda port: get(self.host, port, path), self.ports))


def get(host: str, port: int, path: str) -> bytes | None:
    """The body that *port* answers with, whatever the status; None when nobody does."""
    with closing(http.client.HTTPConnection(host, port, timeout=TIMEOUT)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return None
