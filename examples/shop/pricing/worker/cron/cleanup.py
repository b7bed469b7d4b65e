"""What nobody needs any more goes: old price changes daily, settled events weekly."""

from __future__ import annotations

import time
from datetime import timedelta

from workerkit import CronJob, OldEvents, RunContext

from ...use_case import PricingUseCase

CHUNK = 1000

HISTORY = timedelta(days=90)
"""How long the changes of a price are shown."""


class ExpiredPricesCleanupJob(CronJob):
    """Deletes price changes that are older than HISTORY."""

    schedule = "0 3 * * *"
    timeout = 600.0

    def __init__(self, pricing: PricingUseCase) -> None:
        self.pricing = pricing

    def run(self, context: RunContext) -> None:
        """Delete the oldest first, a chunk at a time."""
        before = time.time() - HISTORY.total_seconds()
        while gone := self.pricing.forget_changes(context.session, before, CHUNK):
            context.rows += gone
            context.commit()
            if context.stopping:
                return


class OldEventsCleanupJob(CronJob):
    """Deletes settled events and ended runs that no redelivery needs; Sundays."""

    schedule = "0 4 * * SUN"
    timeout = 3600.0

    def __init__(self, old_events: OldEvents) -> None:
        self.old_events = old_events

    def run(self, context: RunContext) -> None:
        """Delete a window at a time."""
        for gone in self.old_events.delete(lambda: context.session):
            context.rows += gone
            context.commit()
            if context.stopping:
                return
