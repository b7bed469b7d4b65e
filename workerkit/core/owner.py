"""Who made something that is to go with its maker, and whether that process is still there."""

from __future__ import annotations

import os
import socket

from .child import born


def this_process() -> str:
    """Host, number and birth of this process, in one word each: no other process ever has them."""
    return f"{socket.gethostname()} {os.getpid()} {born(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Whether *owner*, which `this_process` gave, has ended; False when that cannot be told."""
    host, _, rest = owner.partition(" ")
    number, _, birth = rest.partition(" ")
    if host != socket.gethostname() or not number.isdigit():
        return False
    return str(born(int(number))) != birth
