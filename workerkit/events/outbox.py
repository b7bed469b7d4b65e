"""The relay: publishes follow-ups that nobody reported as sent."""

from __future__ import annotations

from ..core.clock import Clock, SystemClock
from ..core.worker import BaseWorker
from ..errors import StorageError
from .store import Store
from .transport import Transport


class Relay(BaseWorker):
    """Runs in every process that has an outbox, an API included.

    It takes rows past their due time under a lease, so a broker outage or a
    crash between commit and publish strands nothing.
    """

    def __init__(
        self,
        service: str,
        store: Store,
        transport: Transport,
        clock: Clock | None = None,
        period: float = 1.0,
    ) -> None:
        super().__init__(f"{service}/relay")
        self.store = store
        self.transport = transport
        self.clock = clock or SystemClock()
        self.period = period
        self.trouble: str | None = None

    def work(self) -> None:
        """Sweep and relay until stopped."""
        while True:
            try:
                self.store.sweep()
                self.relay()
                self.trouble = None
            except StorageError as error:
                if self.trouble is None:
                    self.log.warning("relay is in trouble", extra={"error": str(error)})
                self.trouble = str(error)
            if self.clock.wait(self.stopping, self.period):
                return

    def relay(self) -> int:
        """Publish overdue rows until there are none; return how many events went out."""
        sent = 0
        while rows := self.store.overdue(100):
            messages = [message for _, packed in rows for message in packed]
            self.transport.publish(messages)
            self.store.delete_outbox([row_id for row_id, _ in rows])
            sent += len(messages)
        return sent
