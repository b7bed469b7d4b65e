"""State within one process; for tests."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..core.clock import Clock, SystemClock
from ..core.state import FORGOTTEN, Lease, Member


class MemoryState:
    """See `core.state.State`; time is told by *clock*."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._leases: dict[str, tuple[Lease, float]] = {}
        self._members: dict[str, Member] = {}
        self._cache: dict[str, tuple[bytes, float]] = {}

    def acquire(self, name: str, holder: str, seconds: float, above: int = 0) -> Lease | None:
        """The lease on *name*, unless somebody has it."""
        now = self.clock.time()
        with self._lock:
            last, until = self._leases.get(name, (Lease(name, "", 0), 0.0))
            if until > now:
                return None
            lease = Lease(name, holder, max(last.token, above) + 1)
            self._leases[name] = (lease, now + seconds)
            return lease

    def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold *lease* longer."""
        with self._lock:
            ours = self._is_held(lease)
            if ours:
                self._leases[lease.name] = (lease, self.clock.time() + seconds)
            return ours

    def release(self, lease: Lease) -> None:
        """Let another have it."""
        with self._lock:
            if self._is_held(lease):
                self._leases[lease.name] = (replace(lease, holder=""), 0.0)

    def announce(self, member: Member, seconds: float) -> None:
        """Say that *member* runs."""
        with self._lock:
            self._members[member.id] = replace(member, until=self.clock.time() + seconds)

    def withdraw(self, id: str) -> None:
        """Forget member *id*."""
        with self._lock:
            self._members.pop(id, None)

    def members(self) -> list[Member]:
        """Who runs, and who was lost lately."""
        oldest = self.clock.time() - FORGOTTEN
        with self._lock:
            found = [member for member in self._members.values() if member.until > oldest]
        return sorted(found, key=lambda m: (m.service, m.mode, m.started))

    def cached(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What is in the cache."""
        now = self.clock.time()
        with self._lock:
            found = {key: self._cache[key] for key in keys if key in self._cache}
        return {key: value for key, (value, until) in found.items() if until > now}

    def cache(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keep *values*."""
        until = self.clock.time() + seconds
        with self._lock:
            self._cache.update({key: (value, until) for key, value in values.items()})

    def close(self) -> None:
        """Nothing to release."""

    def _is_held(self, lease: Lease) -> bool:
        return lease.name in self._leases and self._leases[lease.name][0] == lease
