"""How long handlers take, from the metrics of the processes that run them."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterable
from contextlib import closing
from urllib.parse import urlsplit

from ..errors import Unreachable

_LIMIT = 1 << 22
_LINE = re.compile(r"^worker_job_duration_seconds_(sum|count)(?:\{[^}]*\})? (\S+)", re.M)


def handling(urls: Iterable[str]) -> tuple[float, int]:
    """Seconds and number of all jobs that the processes at *urls* have handled.

    Raises:
        Unreachable: One of them does not answer.
    """
    seconds, jobs = 0.0, 0.0
    for url in urls:
        for kind, value in _LINE.findall(_metrics(url)):
            if kind == "sum":
                seconds += float(value)
            else:
                jobs += float(value)
    return seconds, int(jobs)


def _metrics(url: str) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
    with closing(connection):
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read(_LIMIT).decode()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"cannot reach {url}/metrics: {error}") from None
