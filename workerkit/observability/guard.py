"""What our small servers refuse before any handler sees it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .server import LOOPBACK


class Guard:
    """ASGI middleware: foreign hosts and origins, missing tokens, bodies that are too large.

    *hosts* are the names that a Host or Origin header may carry; None allows
    any Host, and the Origin that is the same; *open_paths* need no token;
    *body_limit* in bytes. A page on another site can reach a loopback port
    through the user's browser: that is what Host and Origin are checked for.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None = None,
        token_header: str = "dapr-api-token",
        open_paths: Sequence[str] = (),
        body_limit: int = 4 * 2**20,
        hosts: frozenset[str] | None = LOOPBACK,
    ) -> None:
        self.app = app
        self.token = token
        self.token_header = token_header.encode()
        self.open_paths = frozenset(open_paths)
        self.body_limit = body_limit
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await self._drain(receive)
            await _refuse(send, *refusal)
            return
        bounded = _Bounded(receive, send, self.body_limit)
        try:
            await self.app(scope, bounded.receive, bounded.send)
        except _TooLargeError:
            if not bounded.answered:
                if bounded.more:
                    await self._drain(receive)
                await _refuse(send, 413, *self._too_large())

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        name = urlsplit("//" + host).hostname
        if self.hosts is not None and name is not None and name not in self.hosts:
            return 403, "ERR_FOREIGN_HOST", f"host {name!r} is not served here"
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and not self._same_site(urlsplit(origin), host):
            return 403, "ERR_FOREIGN_ORIGIN", f"origin {origin!r} is not allowed"
        if self.token is not None and scope["path"] not in self.open_paths:
            given = headers.get(self.token_header, b"")
            if not hmac.compare_digest(given, self.token.encode()):
                name = self.token_header.decode()
                return 401, "ERR_UNAUTHORIZED", f"header {name} is missing or wrong"
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.body_limit:
            return 413, *self._too_large()
        return None

    def _same_site(self, origin: SplitResult, host: str) -> bool:
        if self.hosts is None:
            return origin.netloc == host
        return origin.hostname in self.hosts

    async def _drain(self, receive: Receive) -> None:
        """Read what is refused, within bounds: a client that still sends would see a reset."""
        left = 4 * self.body_limit
        while left > 0:
            message = await receive()
            left -= len(message.get("body", b""))
            if not message.get("more_body", False):
                return

    def _too_large(self) -> tuple[str, str]:
        return "ERR_BODY_TOO_LARGE", f"the body is larger than {self.body_limit} bytes"


class _TooLargeError(Exception):
    """A body without a length grew beyond the limit."""


class _Bounded:
    """Counts a request's body; what an app says of a body that grew too large is held back."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive = receive
        self._send = send
        self._left = limit
        self.answered = False
        self.more = True

    async def receive(self) -> Message:
        message = await self._receive()
        self.more = message.get("more_body", False)
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _TooLargeError
        return message

    async def send(self, message: Message) -> None:
        if self._left >= 0 or self.answered:
            self.answered = True
            await self._send(message)


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    body = orjson.dumps({"errorCode": code, "message": message})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
