"""Ports of this machine."""

from __future__ import annotations

import os
import socket
from itertools import count

FIRST, LAST = 12_000, 32_000
"""Below those that a system gives to whoever connects, which may take one before its server."""

_turns = count(os.getpid() * 97)


def free_port() -> int:
    """A port of loopback that nobody listens on; none comes twice before all came once."""
    while True:
        port = FIRST + next(_turns) % (LAST - FIRST)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
