"""Who alone may work, told by a lease that is renewed; for workers with `order = "strict"`."""

from __future__ import annotations

import os
import socket
from uuid import uuid4

from ..core.clock import Clock
from ..core.state import Lease, State


class Leadership:
    """One replica's claim to be the active one of consumer *name*; *lease* in seconds."""

    def __init__(self, state: State, name: str, lease: float, clock: Clock) -> None:
        self.state = state
        self.name = name
        self.lease = lease
        self.clock = clock
        self.holder = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._held: Lease | None = None
        self._next = 0.0

    @property
    def token(self) -> int:
        """The fencing token; 0 while another replica is active."""
        return self._held.token if self._held else 0

    def hold(self) -> bool:
        """Whether we are the active replica; asks the state a few times in a lease.

        Raises:
            StorageError: The state does not answer; what we held may lapse.
        """
        now = self.clock.monotonic()
        if now < self._next:
            return self._held is not None
        if self._held is not None and not self.state.renew(self._held, self.lease):
            self._held = None
        if self._held is None:
            self._held = self.state.acquire(self.name, self.holder, self.lease)
        self._next = now + self.lease / (3 if self._held else 6)
        return self._held is not None

    def resign(self) -> None:
        """Let another replica take over at once."""
        held, self._held = self._held, None
        if held is not None:
            self.state.release(held)
