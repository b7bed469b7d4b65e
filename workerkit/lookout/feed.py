"""Watches what is published, as it is published; a sample when it is more than a person reads."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable

from ..core.worker import BaseWorker
from ..errors import StorageError
from ..events.transport import Browser, Delivery
from ..operate.topics import Seen, seen

LOOK = 0.25
"""Seconds between two looks at the topics."""

PAGE = 100
"""Events of a topic that one look takes; what came beyond them is jumped over."""

AT_MOST = PAGE / LOOK
"""Events a second of one topic that are seen."""

KEPT = 5000
"""Events that are remembered."""

OVER = 10.0
"""Seconds over which rates are taken."""

SOURCES = 12
"""Different sources whose rates are told; a source may be any text, another one in each event."""


class Feed(BaseWorker):
    """Remembers the latest events of *browser*'s topics; safe to ask from any thread.

    It reads beside all groups and takes nothing from anybody.
    """

    def __init__(self, browser: Browser, clock: Callable[[], float] = time.time) -> None:
        super().__init__("feed")
        self.trouble = ""
        self._browser = browser
        self._clock = clock
        self._after: dict[str, str] = {}
        self._lock = threading.Lock()
        self._events: OrderedDict[tuple[str, str], Seen] = OrderedDict()
        self._counts: deque[tuple[float, Counter[tuple[str, str]]]] = deque()
        self._jumped: dict[str, float] = {}

    def work(self) -> None:
        """Look, until stopped."""
        while not self.stopping.is_set():
            try:
                self.look()
                self.trouble = ""
            except StorageError as error:
                self.trouble = str(error)
            self.stopping.wait(LOOK)

    def look(self) -> None:
        """Take what is new in every topic."""
        found: list[Delivery] = []
        for topic in self._browser.topics():
            found += self._new(topic)
        found.sort(key=lambda delivery: delivery.published)
        self._take([seen(delivery) for delivery in found])

    def remember(self, seen: Seen) -> None:
        """Know *seen* at once, and even if the sample leaves it out: we have published it."""
        with self._lock:
            self._events[seen.source, seen.id] = seen

    def _new(self, topic: str) -> list[Delivery]:
        if topic not in self._after:
            page = self._browser.latest(topic, KEPT // 10)
            self._after[topic] = page[-1].entry if page else ""
            return page
        page = self._browser.read(topic, self._after[topic], PAGE)
        if page:
            self._after[topic] = page[-1].entry
        if len(page) == PAGE:
            newest = self._browser.last(topic)
            if newest != page[-1].entry:
                self._after[topic] = newest
                self._jumped[topic] = self._clock()
        return page

    def _take(self, found: list[Seen]) -> None:
        now = self._clock()
        counts = Counter((seen.source, seen.topic) for seen in found if seen.published > now - OVER)
        with self._lock:
            if counts:
                self._counts.append((now, counts))
            while self._counts and self._counts[0][0] < now - OVER:
                self._counts.popleft()
            for seen in found:
                self._events[seen.source, seen.id] = seen
            while len(self._events) > KEPT:
                self._events.popitem(last=False)

    def events(self, topic: str, limit: int) -> list[Seen]:
        """The latest, newest first, of *topic* alone when it is not empty."""
        with self._lock:
            chosen: list[Seen] = []
            for seen in reversed(self._events.values()):
                if not topic or seen.topic == topic:
                    chosen.append(seen)
                    if len(chosen) == limit:
                        break
            return chosen

    def find(self, id: str, source: str = "") -> Seen | None:
        """The event of that id, of *source* when it is not empty; None when not remembered."""
        with self._lock:
            if source:
                return self._events.get((source, id))
            fitting = [seen for (_, other), seen in self._events.items() if other == id]
            return fitting[-1] if fitting else None

    def rates(self) -> dict[tuple[str, str], float]:
        """Events a second by (source, topic), over the last `OVER` seconds."""
        now = self._clock()
        with self._lock:
            total: Counter[tuple[str, str]] = Counter()
            for at, counts in self._counts:
                if at > now - OVER:
                    total.update(counts)
        return {pair: count / OVER for pair, count in total.items()}

    def flows(self) -> list[tuple[str, str]]:
        """Every (source, topic) that is remembered, of the most frequent sources."""
        with self._lock:
            pairs = Counter((seen.source, seen.topic) for seen in self._events.values())
        sources = Counter(source for source, _ in pairs.elements())
        shown = {source for source, _ in sources.most_common(SOURCES)}
        return sorted(pair for pair in pairs if pair[0] in shown)

    def sampled(self) -> set[str]:
        """Topics of which events were jumped over in the last `OVER` seconds."""
        now = self._clock()
        return {topic for topic, at in self._jumped.items() if at > now - OVER}
