"""One topic's events on their way to an app: received, handed out, answered, settled."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Any

import orjson

from ..core.backoff import STORAGE_BACKOFF
from ..errors import StorageError
from ..events.envelope import moment
from ..events.transport import Delivery, Message
from .pubsub import PubSub

log = logging.getLogger("workerkit.sidecar")

POLL = 0.5
"""Seconds between looks at whether the feed is to end."""

GATHER = 0.005
"""Seconds in which answers are gathered: to settle many costs what it costs to settle one."""


class Status(Enum):
    """An app's answer to an event."""

    SUCCESS = "SUCCESS"
    RETRY = "RETRY"
    DROP = "DROP"


@dataclass(slots=True, eq=False)
class Handed:
    """An event that the app gets; `envelope` is None when the topic carries raw payloads."""

    delivery: Delivery
    envelope: dict[str, Any] | None
    failures: int = 0

    @property
    def id(self) -> str:
        """The CloudEvent's id; empty when it has none."""
        given = (self.envelope or {}).get("id")
        return given if isinstance(given, str) else ""


class Feed:
    """The events that *group* has not settled of *topic*, *room* of them in hand at most.

    Every event that `take` gave must be given to `answer`, once. What was not
    answered when the feed closes is given back to the broker, or, under a
    strict component, left to lapse.
    """

    def __init__(
        self,
        pubsub: PubSub,
        topic: str,
        group: str,
        *,
        dead_letter: str = "",
        raw: bool = False,
        room: int = 200,
    ) -> None:
        self.pubsub = pubsub
        self.topic = topic
        self.dead_letter = dead_letter
        self.raw = raw
        self.room = room
        self.closing = False
        self.subscription = pubsub.transport.subscribe(topic, group)
        self._arrived = threading.Condition(pubsub.lock)
        self._answered = threading.Condition(pubsub.lock)
        self._filling = threading.Lock()
        self._held: dict[str, Handed] = {}
        self._unanswered: set[Handed] = set()
        self._ready: deque[Handed] = deque()
        self._later: list[tuple[float, int, Handed]] = []
        self._settled: list[tuple[Delivery, Message | None]] = []
        self._numbers = count()
        self._reads_on = False
        self._reader = threading.Thread(target=self._read, name=f"read {topic}", daemon=True)
        self._keeper = threading.Thread(target=self._keep, name=f"keep {topic}", daemon=True)
        self._reader.start()
        self._keeper.start()

    def take(self, most: int, fill: float = 0.0) -> list[Handed]:
        """Up to *most* events, waiting *fill* seconds for more than one; none when closing."""
        taken: list[Handed] = []
        end = 0.0
        with self._filling, self.pubsub.lock:
            while not self.closing:
                while self._ready and len(taken) < most and self._enter(self._ready[0]):
                    taken.append(self._ready.popleft())
                now = time.monotonic()
                if taken and not end:
                    end = now + fill
                if len(taken) == most or (taken and now >= end):
                    break
                waiting = self.pubsub.freed if self._ready else self._arrived
                waiting.wait(end - now if taken else POLL)
        return taken

    def answer(self, answers: Iterable[tuple[Handed, Status]]) -> None:
        """Settle, send again or give up what the app has answered."""
        with self.pubsub.lock:
            for handed, status in answers:
                if status is Status.RETRY and not self.closing:
                    self._fail(handed)
                    continue
                self._leave(handed)
                if status is Status.SUCCESS:
                    self._settled.append((handed.delivery, None))
                elif status is Status.DROP:
                    self._give_up(handed.delivery, "dropped by the app")
            self._answered.notify()

    def put_back(self, handed: Handed) -> None:
        """Give *handed* out again, before anything else."""
        with self.pubsub.lock:
            self._ready.appendleft(handed)
            self._arrived.notify()

    def close(self, *, reads_on: bool = False) -> None:
        """Settle what was answered and give back the rest; callers of `take` have ended.

        *reads_on*: one more read of a strict component stays alive, as Dapr's does
        after a stream was closed, and what it takes comes back after a lease.
        """
        with self.pubsub.lock:
            self.closing = True
            self._reads_on = reads_on and self.pubsub.strict
            for condition in (self._arrived, self._answered, self.pubsub.freed):
                condition.notify_all()
        if not self._reads_on:
            self.subscription.wake()
            self._reader.join(5.0)
        self._keeper.join(5.0)
        try:
            self._settle()
            if not self.pubsub.strict:
                self.subscription.release([each.delivery for each in self._held.values()])
        except StorageError as error:  # leases lapse; it all comes again
            log.warning("could not give back", extra={"topic": self.topic, "error": str(error)})
        with self.pubsub.lock:
            for handed in tuple(self._unanswered):
                self._leave(handed)
        if not self._reads_on:
            self.subscription.close()

    def stop_taking(self) -> None:
        """Make `take` return at once, from now on with nothing."""
        with self.pubsub.lock:
            self.closing = True
            self._arrived.notify_all()
            self.pubsub.freed.notify_all()

    def _enter(self, handed: Handed) -> bool:
        if handed not in self._unanswered and self.pubsub.enter():
            self._unanswered.add(handed)
        return handed in self._unanswered

    def _leave(self, handed: Handed) -> None:
        if handed in self._unanswered:
            self._unanswered.remove(handed)
            self.pubsub.leave()

    def _fail(self, handed: Handed) -> None:
        handed.failures += 1
        wait = self.pubsub.wait(handed.failures)
        if wait is None:
            self._leave(handed)
            self._give_up(handed.delivery, f"failed {handed.failures} times")
            return
        # Dapr retries inside the one call that holds the event, so it counts as unanswered.
        if not self.pubsub.strict:
            self._leave(handed)
        heapq.heappush(self._later, (time.monotonic() + wait, next(self._numbers), handed))

    def _give_up(self, delivery: Delivery, why: str) -> None:
        message = Message(self.dead_letter, delivery.body) if self.dead_letter else None
        fate = f"sent to {self.dead_letter}" if message else "acknowledged, and lost"
        facts = {"topic": self.topic, "entry": delivery.entry, "why": why, "fate": fate}
        log.warning("event given up", extra=facts)
        self._settled.append((delivery, message))

    def _read(self) -> None:
        failures = 0
        while not self.closing:
            with self.pubsub.lock:
                free = self.room - len(self._held)
                if free <= 0:
                    self._answered.wait(POLL)
                    continue
            try:
                taken = self.subscription.receive(free, POLL)
                failures = 0
                if taken and self._reads_on:
                    self.subscription.close()
                    return
                self._admit(taken)
            except StorageError as error:
                failures += 1
                log.warning("could not read", extra={"topic": self.topic, "error": str(error)})
                self.pubsub.closing.wait(STORAGE_BACKOFF.ceiling(failures))
        if self._reads_on:
            self._read_once_more()

    def _read_once_more(self) -> None:
        """Dapr's read of a closed stream: what it takes comes back after a lease."""
        try:
            while not self.pubsub.closing.is_set() and not self.subscription.receive(100, POLL):
                pass
            self.subscription.close()
        except StorageError:
            pass

    def _admit(self, deliveries: list[Delivery]) -> None:
        events = [Handed(delivery, self._envelope(delivery)) for delivery in deliveries]
        now = time.time()
        with self.pubsub.lock:
            fit: list[Any] = []
            for event in events:
                self._held[event.delivery.entry] = event
                if event.envelope is None and not self.raw:
                    self._give_up(event.delivery, "no CloudEvent")
                elif _expired(event.envelope, now):
                    self._give_up(event.delivery, "expired")
                else:
                    fit.append(event)
            self.pubsub.shuffle(fit)
            self._ready.extend(fit)
            self._arrived.notify_all()
            if len(fit) < len(events):
                self._answered.notify()

    def _envelope(self, delivery: Delivery) -> dict[str, Any] | None:
        if self.raw:
            return None
        try:
            found = orjson.loads(delivery.body)
        except orjson.JSONDecodeError:
            return None
        return found if isinstance(found, dict) else None

    def _keep(self) -> None:
        """Settle, renew and send again until the feed closes."""
        renew_at = time.monotonic() + self.pubsub.lease / 3
        while not self.closing:
            with self.pubsub.lock:
                if not self._settled:
                    self._answered.wait(self._pause(renew_at))
                self._hand_again(time.monotonic())
            if self._settled:
                self.pubsub.closing.wait(GATHER)
            try:
                self._settle()
                if time.monotonic() >= renew_at:
                    self._renew()
                    renew_at = time.monotonic() + self.pubsub.lease / 3
            except StorageError as error:
                log.warning("could not settle", extra={"topic": self.topic, "error": str(error)})
                self.pubsub.closing.wait(POLL)

    def _pause(self, renew_at: float) -> float:
        due = min(renew_at, self._later[0][0]) if self._later else renew_at
        return max(0.0, min(POLL, due - time.monotonic()))

    def _hand_again(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            # To the front: under strict it has its slot, which those without one wait for.
            self._ready.appendleft(heapq.heappop(self._later)[2])
            self._arrived.notify()

    def _settle(self) -> None:
        """Acknowledge what is answered and publish its dead letters, in one step."""
        with self.pubsub.lock:
            settled, self._settled = self._settled, []
        if not settled:
            return
        try:
            letters = [message for _, message in settled if message]
            self.subscription.settle([delivery for delivery, _ in settled], letters)
        except StorageError:
            with self.pubsub.lock:
                self._settled = settled + self._settled
            raise
        with self.pubsub.lock:
            for delivery, _ in settled:
                self._held.pop(delivery.entry, None)
            self._answered.notify_all()

    def _renew(self) -> None:
        if self.pubsub.strict:
            return
        with self.pubsub.lock:
            held = [each.delivery for each in self._held.values()]
        if held:
            self.subscription.renew(held)


def _expired(envelope: dict[str, Any] | None, now: float) -> bool:
    expires = moment((envelope or {}).get("expiration"))
    return expires is not None and expires <= now
