"""One HTTP/1.1 connection that is kept alive; one request at a time is on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from .target import Request

CLOSED, NOT_HTTP = "connection closed", "not HTTP"
"""Why a connection was lost, for those who count."""


@dataclass(slots=True)
class Call:
    """A request and when it was to be sent, in the loop's seconds; `sent` counts attempts."""

    request: Request
    intended: float
    sent: int = 0


class Owner(Protocol):
    """Who is told what became of a connection."""

    def connected(self, connection: Connection) -> None:
        """It can be used."""

    def answered(self, connection: Connection, call: Call, status: int) -> None:
        """The whole answer to *call* is there; the connection is free if it is `open`."""

    def lost(self, connection: Connection, call: Call | None, why: str) -> None:
        """The connection is gone, and with it the answer to *call*."""


class Connection(asyncio.BufferedProtocol):
    """Reads answers into *buffer*, which connections of one loop may share.

    Reading into a buffer of ours spares asyncio a quarter of a megabyte of
    new memory for each answer.
    """

    def __init__(self, owner: Owner, buffer: bytearray) -> None:
        self.open = False
        self.used = 0
        self.call: Call | None = None
        self._owner = owner
        self._buffer = memoryview(buffer)
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._begun = False
        self._keep = True
        self._whole = False
        self._why = CLOSED

    def send(self, call: Call) -> None:
        """Send *call* now; the connection must be open and free."""
        assert self._transport is not None
        self.call = call
        self.used += 1
        call.sent += 1
        self._transport.write(call.request.raw)

    def close(self, why: str = CLOSED) -> None:
        """Drop the connection at once; `lost` is told *why*."""
        self._why = why
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        self.open = True
        self._owner.connected(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by asyncio before it reads."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Called by asyncio after it has read *nbytes*."""
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except httptools.HttpParserError:
            self.close(NOT_HTTP)
            return
        if self._whole:
            self._finish(self._keep)

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._begun = True
        self._keep = self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        """Called by the parser, which must not be left by an exception."""
        self._whole = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self.open = False
        ends_here = self._begun and exc is None and self._why is CLOSED
        if ends_here and self.call is not None and not self._keep:
            # A body without a length ends with the connection (RFC 9112, 6.3).
            self._finish(keep=False)
        call, self.call = self.call, None
        self._owner.lost(self, call, self._why)

    def _finish(self, keep: bool) -> None:
        call, self.call = self.call, None
        self._begun = self._whole = False
        if not keep:
            self.open = False
            if self._transport is not None:
                self._transport.close()
        if call is None:
            # An answer that nobody asked for: what follows could not be told apart.
            self.close(NOT_HTTP)
            return
        self._owner.answered(self, call, self._parser.get_status_code())
