"""Delivers events to an app: asks what it wants, posts it, asks again once the app is back."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing

from ..core.loading import unknown
from ..core.worker import BaseWorker
from ..errors import ConfigurationError, StorageError, Unreachable
from .channel import Answers, App, Channel, Gone
from .declared import Declared
from .feed import Feed, Handed, Status
from .pubsub import PubSub

PATIENCE = 5.0
"""Seconds that an app has to say what it wants."""

CHECK = 1.0
"""Seconds between looks at what the app wants: `dev` starts it anew when its code changed."""

BULK_CALLERS, SINGLE_CALLERS = 3, 10
"""Requests to the app at a time for one topic."""


class Callbacks(BaseWorker):
    """Calls *app* with the events of the topics that it declares and of *more*.

    The app may come later, go, and come back with other subscriptions. Under a
    strict component it is asked once, and what it cannot be given has failed.
    """

    def __init__(
        self, app: App, pubsubs: Mapping[str, PubSub], more: Sequence[Declared] = ()
    ) -> None:
        super().__init__(f"callbacks to {app.id}")
        self.app = app
        self.pubsubs = pubsubs
        self.more = [each for each in more if not each.scopes or app.id in each.scopes]
        self.declared: tuple[Declared, ...] = ()
        self._gone = threading.Event()

    def wake(self) -> None:
        """End whatever is waited for."""
        self._gone.set()

    def work(self) -> None:
        """Ask, serve, and ask again."""
        while not self.stopping.is_set():
            declared = self._ask()
            if declared is None:
                return
            self._gone.clear()
            with ExitStack() as topics:
                try:
                    self._open(declared, topics)
                except StorageError as error:
                    self.log.warning("could not subscribe", extra={"error": str(error)})
                    self.stopping.wait(CHECK)
                    continue
                while not self.stopping.is_set() and not self._gone.wait(CHECK):
                    self._check(declared)

    def _open(self, declared: Sequence[Declared], topics: ExitStack) -> None:
        """Begin with each of the topics; all of them end together."""
        opened: list[Route] = []
        topics.callback(_close, opened)
        opened.extend(Route(d, self._pubsub(d), self.app, self._lose) for d in declared)
        self.declared = tuple(declared)
        names = ", ".join(f"{each.topic}{' in bulk' * each.bulk.enabled}" for each in declared)
        self.log.info("app subscribed", extra={"app": self.app.id, "topics": names or "none"})

    def _ask(self) -> list[Declared] | None:
        """What the app wants, once it can be asked; None when we stop."""
        said = ""
        while not self.stopping.is_set():
            try:
                with closing(Channel(self.app, PATIENCE)) as channel:
                    declared = [*channel.subscriptions(), *self.more]
                for each in declared:
                    self._pubsub(each)
                return declared
            except ConfigurationError as error:
                if str(error) != said:
                    self._tell(logging.WARNING, error)
                said = str(error)
            except Unreachable as error:
                if not said:
                    self._tell(logging.INFO, error)
                said = said or str(error)
            self.stopping.wait(0.2)
        return None

    def _check(self, declared: Sequence[Declared]) -> None:
        """See whether the app was replaced by another, which wants something else."""
        if any(pubsub.strict for pubsub in self.pubsubs.values()):
            return
        try:
            with closing(Channel(self.app, PATIENCE)) as channel:
                changed = [*channel.subscriptions(), *self.more] != list(declared)
        except ConfigurationError:
            changed = True
        except Unreachable as error:
            changed = False
            if isinstance(error, Gone):
                self._lose(error)
        if changed:
            self.log.info("app has other subscriptions", extra={"app": self.app.id})
            self._gone.set()

    def _tell(self, level: int, error: Exception) -> None:
        facts = {"app": self.app.id, "error": str(error)}
        self.log.log(level, "waiting for the app", extra=facts)

    def _pubsub(self, declared: Declared) -> PubSub:
        if declared.pubsub not in self.pubsubs:
            raise ConfigurationError(unknown("pubsub", declared.pubsub, self.pubsubs))
        return self.pubsubs[declared.pubsub]

    def _lose(self, error: Unreachable) -> None:
        """The app is not there: wait for it, with its events given back."""
        if not self._gone.is_set():
            self.log.warning("app is gone", extra={"app": self.app.id, "error": str(error)})
            self._gone.set()


def _close(topics: Sequence[Route]) -> None:
    for topic in topics:
        topic.feed.stop_taking()  # all at once, so that they are waited for together
    end = time.monotonic() + PATIENCE
    for topic in topics:
        topic.close(end)


class Route:
    """A topic's feed and the threads that post from it."""

    def __init__(
        self, declared: Declared, pubsub: PubSub, app: App, lose: Callable[[Unreachable], None]
    ) -> None:
        self.declared = declared
        self.pubsub = pubsub
        self._app = app
        self._lose = lose
        bulk = declared.bulk
        # Dapr flushes one bulk of a topic at a time.
        callers = (1 if pubsub.strict else BULK_CALLERS) if bulk.enabled else SINGLE_CALLERS
        self._size = bulk.size if bulk.enabled else 1
        self._fill = bulk.fill if bulk.enabled else 0.0
        self.feed = Feed(
            pubsub, declared.topic, app.id, dead_letter=declared.dead_letter, raw=declared.raw,
            room=max(200, 2 * self._size * callers),
        )  # fmt: skip
        self._callers = [
            threading.Thread(target=self._call, name=f"call {declared.topic}", daemon=True)
            for _ in range(callers)
        ]
        for caller in self._callers:
            caller.start()

    def close(self, end: float) -> None:
        """Wait until *end* for the answers of what was posted, settle it, give back the rest."""
        for caller in self._callers:
            caller.join(max(0.0, end - time.monotonic()))
        self.feed.close()

    def _call(self) -> None:
        with closing(Channel(self._app, self.pubsub.timeout)) as channel:
            while events := self.feed.take(self._size, self._fill):
                self.feed.answer(self._post(channel, events))

    def _post(self, channel: Channel, events: Sequence[Handed]) -> Answers:
        by_path: dict[str, list[Handed]] = defaultdict(list)
        for event in events:
            by_path[self.declared.path(event.envelope)].append(event)
        # Without a path for it, an event is nobody's.
        answers = [(event, Status.DROP) for event in by_path.pop("", ())]
        for path, some in by_path.items():
            try:
                if self.declared.bulk.enabled:
                    answers += channel.send_bulk(path, self.declared, some)
                else:
                    answers += [(some[0], channel.send(path, self.declared, some[0]))]
            except Unreachable as error:
                answers += [(event, Status.RETRY) for event in some]
                if isinstance(error, Gone) and not self.pubsub.strict:
                    self._lose(error)
        return answers
