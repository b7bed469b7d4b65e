"""How long an API takes to answer: ASGI middleware that counts in plain dictionaries."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from time import perf_counter

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds; one more is unbounded. 0.15 is where the promise of rules.yml lies."""

UNMATCHED = "(unmatched)"
"""Stands for every path that no route has: a scanner's thousands are one label."""

MOST_ROUTES = 200
"""Series of `(method, route, status)`; what comes beyond them counts as route `(other)`."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Requests(Collector):
    """Serves *app*, and has `http_request_duration_seconds{method,route,status}` of it.

    From the request's arrival to the last byte of its answer: what an app does
    after that is not the caller's wait. `status` is a class, `2xx`; an answer
    that broke off is `5xx`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._lock = threading.Lock()
        self._buckets: defaultdict[tuple[str, str, str], list[int]] = defaultdict(
            lambda: [0] * (len(BUCKETS) + 1)
        )
        self._seconds: defaultdict[tuple[str, str, str], float] = defaultdict(float)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and take the time of HTTP requests."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        status, ended = 500, 0.0

        async def watch(message: Message) -> None:
            nonlocal status, ended
            await send(message)
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                ended = perf_counter()

        try:
            await self.app(scope, receive, watch)
        finally:
            if not ended:
                status, ended = 500, perf_counter()
            self._count(scope, status, ended - began)

    def collect(self) -> Iterator[Metric]:
        """The one family, for the registry."""
        family = HistogramMetricFamily(
            "http_request_duration_seconds", "Until the last byte of the answer.",
            labels=["method", "route", "status"],
        )  # fmt: skip
        bounds = [*map(str, BUCKETS), "+Inf"]
        with self._lock:
            for key, buckets in self._buckets.items():
                sums = [sum(buckets[: n + 1]) for n in range(len(buckets))]
                family.add_metric(key, list(zip(bounds, sums, strict=True)), self._seconds[key])
        yield family

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        key = method, template(scope), f"{status // 100}xx"
        with self._lock:
            if key not in self._buckets and len(self._buckets) >= MOST_ROUTES:
                key = method, "(other)", key[2]
            self._buckets[key][bisect_left(BUCKETS, seconds)] += 1
            self._seconds[key] += seconds


def template(scope: Scope) -> str:
    """The path of the route that answered, e.g. `/prices/{sku}`; UNMATCHED when none did.

    Routers write their route into the scope they were given. One that is mounted
    or included below a prefix knows its own part alone, so the rest is taken from
    the path, with what a prefix has captured put back to its name.
    """
    own = getattr(scope.get("route"), "path", None)
    if own is None:
        return UNMATCHED
    if ":path}" in own:  # as many segments as the caller likes
        return str(own)
    parts = scope["path"].split("/")
    prefix = parts[: len(parts) - own.count("/")]
    if len(prefix) <= 1:
        return str(own)
    captured = {
        str(value): f"{{{name}}}"
        for name, value in scope.get("path_params", {}).items()
        if f"{{{name}" not in own
    }
    return "/".join(captured.get(part, part) for part in prefix) + str(own)
