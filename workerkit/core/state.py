"""What the processes of a project know of each other: who runs, and who alone may do what."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """The sole right to *name* until it lapses.

    `token` grows with every acquisition of the name, for ever: whoever writes
    under a lease can have its database refuse a smaller token than it has
    seen, which a holder that was frozen does not know of itself (fencing).
    """

    name: str
    holder: str
    token: int


@dataclass(frozen=True, slots=True)
class Member:
    """A running process. `started` and `until` are in epoch seconds; past `until` it is gone."""

    id: str
    service: str
    mode: str
    host: str
    pid: int
    port: int
    started: float
    until: float = 0.0


def new_member_id() -> str:
    """`host/pid/start`, for this process and no other that ever has its number."""
    return f"{socket.gethostname()}/{os.getpid()}/{token_hex(4)}"


def who(member_id: str) -> str:
    """A member in words."""
    host, _, rest = member_id.partition("/")
    return f"pid {rest.partition('/')[0]} on {host}"


class State(Protocol):
    """Kept beside the broker; every method raises StorageError when it does not answer.

    Times are told by one clock, that of the store. Set forward it lets leases
    lapse early, which the token makes harmless; set back it lets them last longer.
    """

    def acquire(self, name: str, holder: str, seconds: float, above: int = 0) -> Lease | None:
        """The lease on *name* for *seconds*; None while somebody has it, *holder* included.

        Its token is larger than *above*: what the caller's database has seen,
        for a store that was emptied and has forgotten its tokens.
        """

    def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold *lease* for *seconds* from now; False when it was released, or taken since."""

    def release(self, lease: Lease) -> None:
        """Let another have it at once; nothing when the lease was lost."""

    def announce(self, member: Member, seconds: float) -> None:
        """Say that *member* runs, for *seconds*; to be repeated."""

    def withdraw(self, id: str) -> None:
        """Forget member *id*; it has ended well."""

    def members(self) -> list[Member]:
        """By service, mode and start; those that were lost stay for FORGOTTEN seconds."""

    def cached(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What is in the cache under *keys*, without what has expired or is not there."""

    def cache(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keep *values*, UTF-8 text, under their keys for *seconds*, in one round trip."""

    def close(self) -> None:
        """Release files and connections; idempotent."""


FORGOTTEN = 3600.0
"""Seconds after which a member that was lost is not shown any more."""
