"""Who alone may work, told by a lease that is renewed; for workers with `order = "strict"`."""

from __future__ import annotations

import os
import socket
from uuid import uuid4

from ..core.clock import Clock
from ..core.state import Lease, State
from .store import Store

LOOK = 1.0
"""Seconds between two tries to become the active replica, at most."""


class Leadership:
    """One replica's claim to be the active one of consumer *name*; *lease* in seconds.

    Who becomes active raises the fence in *store* first: from then on nothing
    that was begun under a smaller token is committed.
    """

    def __init__(self, state: State, store: Store, name: str, lease: float, clock: Clock) -> None:
        self.state = state
        self.store = store
        self.name = name
        self.lease = lease
        self.clock = clock
        self.holder = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._held: Lease | None = None
        self._doubted = False
        self._next = 0.0

    @property
    def token(self) -> int:
        """The fencing token; 0 while we are not the active replica."""
        held = self._held
        return held.token if held else 0

    def hold(self) -> bool:
        """Whether we are the active replica; asks the state a few times in a lease.

        After a loss this says False at least once, for the caller to give up
        what it holds before it asks to be active again.

        Raises:
            StorageError: The state or the store does not answer; what we held may lapse.
        """
        now = self.clock.monotonic()
        if self._doubted:
            self.resign()
            return False
        if now < self._next:
            return self._held is not None
        held = self._held
        if held is None:
            self._acquire()
        elif not self.state.renew(held, self.lease):
            self._held = None
            return False
        wait = self.lease / 3 if self._held else min(LOOK, self.lease / 6)
        self._next = now + wait
        return self._held is not None

    def doubt(self) -> bool:
        """The store has seen a larger token: give the lease up, whatever the state says.

        Returns whether this is news.
        """
        news = not self._doubted
        self._doubted = True
        return news

    def resign(self) -> None:
        """Let another replica take over at once."""
        self._doubted = False
        self._next = 0.0
        held, self._held = self._held, None
        if held is not None:
            self.state.release(held)

    def _acquire(self) -> None:
        above = self.store.fenced(self.name)
        lease = self.state.acquire(self.name, self.holder, self.lease, above)
        if lease is None:
            return
        uow = self.store.begin()
        try:
            uow.fence(self.name, lease.token)
            uow.commit()
        except BaseException:
            uow.rollback()
            self.state.release(lease)
            raise
        self._held = lease
