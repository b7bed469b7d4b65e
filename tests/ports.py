"""Ports of this machine."""

from __future__ import annotations

import os
from itertools import count

from workerkit.observability.server import free

FIRST, LAST = 12_000, 32_000
"""Below those that a system gives to whoever connects, which may take one before its server."""

_turns = count(os.getpid() * 97)


def free_port() -> int:
    """A port of loopback that nobody listens on; none comes twice before all came once."""
    return free_row(1)


def free_row(length: int) -> int:
    """The first of *length* such ports side by side."""
    row: list[int] = []
    while len(row) < length:
        port = FIRST + next(_turns) % (LAST - FIRST)
        if not free(port):
            row = []
        elif row and port == row[-1] + 1:
            row.append(port)
        else:
            row = [port]
    return row[0]
