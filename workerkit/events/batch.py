"""What a lane took in one go, and the transaction that its events share."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from .item import Item
from .result import Result
from .store import UnitOfWork
from .worker import EventContext


class Own(NamedTuple):
    """A transaction for one event; `session` begins it at its first use."""

    uow: UnitOfWork
    session: Callable[[], Any]


class Ran(NamedTuple):
    """A handler that has ended: what it raised, and when it began (monotonic)."""

    context: EventContext
    error: BaseException | None
    began: float


class MicroBatch:
    """The events that a lane took and has not come to an end with.

    `since` is the monotonic time at which it began with what it is at, and
    infinite while no handler can be what keeps it. *put_back* takes what has
    not begun and is let go.
    """

    def __init__(
        self, items: Sequence[Item], put_back: Callable[[Sequence[Item]], None] = lambda _: None
    ) -> None:
        self.items = list(items)
        self.since = math.inf
        self.shared: Shared | None = None
        self._put_back = put_back
        self._lock = threading.Lock()
        self._ahead: deque[Item] = deque()
        self._at: Item | None = None

    def begin(self) -> list[Item]:
        """What it comes down to now: all that has not been let go."""
        with self._lock:
            self._ahead.clear()
            self._at = None
            return self.items

    def run_alone(self, items: Iterable[Item]) -> None:
        """Let *items* be what runs one by one, next."""
        with self._lock:
            self._ahead.extend(items)

    def next_alone(self) -> Item | None:
        """The next one of those, which has begun by that; None at the end."""
        with self._lock:
            self._at = self._ahead.popleft() if self._ahead else None
            return self._at

    def let_go(self) -> None:
        """Put back what would run one by one; what did so before is settled."""
        with self._lock:
            back, self._ahead = self._ahead, deque()
            if self._at is not None:
                self.keep([self._at], back)
            elif back:
                gone = set(map(id, back))
                self.keep([item for item in self.items if id(item) not in gone], back)

    def keep(self, items: Sequence[Item], back: Sequence[Item]) -> None:
        """Put *back* what has not begun; *items* remain, and the rest is settled.

        For a moment some are seen twice: who asks for what is held misses none.
        """
        self._put_back(back)
        self.items = list(items)


class Shared:
    """A transaction of several events, which can end before the handler that it is at.

    That one must not have asked for its session yet, and gets its own then.
    """

    def __init__(
        self, items: Sequence[Item], uow: UnitOfWork, result: Result, careful: bool
    ) -> None:
        self.items = items
        self.uow = uow
        self.result = result
        self.careful = careful
        self.new: set[tuple[str, str]] = set()
        """What the inbox had not held, of those that have not run."""
        self.at = items[0]
        self.own: Own | None = None
        self.ran: Ran | None = None
        self.failure: BaseException | None = None
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self.unused = False
        """Whether the handler may be left now; once it is not, `own` tells if it was."""

    def begin(self, item: Item) -> None:
        """The handler of *item* is about to run."""
        self.at = item
        self.unused = True

    def session(self) -> Any:
        """What handlers are given when they ask for a session."""
        if self.unused:
            with self._lock:
                self.unused = False
        return self.own.session() if self.own else self.uow.session()

    def outlasted(self) -> bool:
        """Whether the handler that has just ended did so later; waits until this has.

        Raises whatever kept it from ending in good order: then all is to be run again.
        """
        if self.unused:
            with self._lock:
                self.unused = False
        if self.own is None:
            return False
        self.ended.wait()
        if self.failure is not None:
            self.own.uow.rollback()
            raise self.failure
        return True

    def leave(self, own: Callable[[Item], Own]) -> bool:
        """Leave the handler that runs now with its own; False when it has used our session."""
        with self._lock:
            if not self.unused:
                return False
            self.own = own(self.at)
            self.unused = False
            return True

    def parts(self) -> tuple[Sequence[Item], Item, Sequence[Item]]:
        """What was done before the event that it is at, that one, and what has not begun."""
        at = self.items.index(self.at)
        return self.items[:at], self.at, self.items[at + 1 :]
