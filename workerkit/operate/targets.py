"""Processes of a deployment, wherever they run, and how they are asked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import orjson

from ..core.loading import unknown
from ..errors import ConfigurationError

TIMEOUT = 5.0
"""Seconds that a process has to answer."""

_LIMIT = 1 << 22


@dataclass(frozen=True, slots=True)
class Target:
    """One process: a service in a mode, e.g. `pricing events`, or `sidecar`; *url* has no path."""

    service: str
    mode: str
    url: str

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.service} {self.mode}".rstrip()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` 0 when nothing did, then `problem` says why; `took` in seconds."""

    status: int
    body: bytes
    took: float
    problem: str = ""

    @property
    def fine(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        """The body's value; None when it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def shown(self) -> str:
        """For people, e.g. `HTTP 503` or `connection refused`."""
        return self.problem or f"HTTP {self.status}"


class _Stay(HTTPRedirectHandler):
    """A redirect is an answer, not an order: another host would be asked in place of ours."""

    def redirect_request(self, *_: Any) -> None:
        return None


def ask(target: Target, path: str, body: Any = None, timeout: float = TIMEOUT) -> Answer:
    """GET *path*, or POST *body* as JSON; past proxies, and without following redirects."""
    data = None if body is None else orjson.dumps(body)
    headers = {"content-type": "application/json"} if data else {}
    request = Request(target.url + path, data, headers)
    opener = build_opener(ProxyHandler({}), _Stay())
    began = time.monotonic()
    try:
        with opener.open(request, timeout=timeout) as answer:
            content = answer.read(_LIMIT)
            return Answer(answer.status, content, time.monotonic() - began)
    except HTTPError as error:
        with error:
            return Answer(error.code, error.read(_LIMIT), time.monotonic() - began)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return Answer(0, b"", time.monotonic() - began, why.lower())


def url(host: str, port: int) -> str:
    """Where *port* of *host* is asked."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def moved(targets: Sequence[Target], urls: Iterable[str]) -> list[Target]:
    """*targets*, some of them elsewhere as *urls* say: `NAME=URL`, e.g. `sidecar=http://…`.

    Raises:
        ConfigurationError: No such process, or not an http URL.
    """
    given = dict(_named(text, targets) for text in urls)
    return [replace(each, url=given.get(each.name, each.url)) for each in targets]


def named(targets: Sequence[Target], name: str, where: str) -> Target:
    """The one of that name; an API that has taken its workers in is still the API.

    Raises:
        ConfigurationError: There is none; says *where* it was named.
    """
    known = {each.name.replace(" inline", " api"): each for each in targets}
    known |= {each.name: each for each in targets}
    if name not in known:
        raise ConfigurationError(f"{where}: {unknown('process', name, known)}")
    return known[name]


def _named(text: str, targets: Sequence[Target]) -> tuple[str, str]:
    name, _, url = text.partition("=")
    target = named(targets, name.strip(), f"--url {text}")
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"--url {text}: must be NAME=http://HOST:PORT")
    return target.name, url.strip().rstrip("/")
