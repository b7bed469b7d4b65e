"""Which of the processes that hold runs are dead."""

from __future__ import annotations

import threading

from ..core.clock import Clock
from ..core.state import State
from ..errors import StorageError


class Watch:
    """Tells a holder's death by its silence: no new announcement for *lease* seconds.

    The silence is measured here, on our own monotonic clock, so that neither
    wrong clocks nor a state store that was emptied make anyone dead who still
    announces itself. While the store does not answer, nobody dies.
    """

    def __init__(self, state: State, lease: float, clock: Clock) -> None:
        self.state = state
        self.lease = lease
        self.clock = clock
        self._lock = threading.Lock()
        self._heard: dict[str, tuple[float, float]] = {}
        self._looked = -lease

    def is_dead(self, holder: str) -> bool:
        """Whether *holder* has been silent for a lease since it was first asked for.

        To be called again and again, as long as it matters.
        """
        with self._lock:
            now = self.clock.monotonic()
            if holder not in self._heard:
                self._heard[holder] = (0.0, now)
                self._looked = now - self.lease
            self._listen(now)
            return now - self._heard[holder][1] >= self.lease

    def keep_to(self, holders: set[str]) -> None:
        """Forget all but *holders*."""
        with self._lock:
            self._heard = {name: heard for name, heard in self._heard.items() if name in holders}

    def _listen(self, now: float) -> None:
        """Look who has announced itself anew, a few times in a lease."""
        if now < self._looked + self.lease / 6:
            return
        self._looked = now
        try:
            announced = {member.id: member.until for member in self.state.members()}
        except StorageError:
            self._heard = {name: (until, now) for name, (until, _) in self._heard.items()}
            return
        for name, (until, _) in self._heard.items():
            latest = announced.get(name, until)
            if latest != until:
                self._heard[name] = (latest, now)
