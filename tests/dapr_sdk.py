"""The official Dapr SDK's two clients behind one face, so that each test is written once."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

SECONDS = 60.0
"""What one call of the asynchronous client may take."""


class SyncSdk:
    """The synchronous client as it is."""

    def __init__(self) -> None:
        from dapr.clients import DaprClient  # noqa: PLC0415

        self.client = DaprClient()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def subscribe_with_handler(self, pubsub: str, topic: str, handle: Callable[..., Any]) -> Any:
        return self.client.subscribe_with_handler(pubsub, topic, handle)

    def close(self) -> None:
        self.client.close()


class AsyncSdk:
    """The asynchronous client on an event loop of its own; every call is waited for."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._client = self._wait(self._open())

    def __getattr__(self, name: str) -> Any:
        return self._waited(getattr(self._client, name))

    def subscribe_with_handler(self, pubsub: str, topic: str, handle: Callable[..., Any]) -> Any:
        async def handle_async(message: Any) -> Any:
            return handle(message)

        opened = self._client.subscribe_with_handler(pubsub, topic, handle_async)
        return self._waited(self._wait(opened))

    def subscribe(self, *arguments: Any, **named: Any) -> _Subscription:
        return _Subscription(self, self._wait(self._client.subscribe(*arguments, **named)))

    def close(self) -> None:
        self._wait(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _open(self) -> Any:
        from dapr.aio.clients import DaprClient  # noqa: PLC0415

        return DaprClient()

    def _wait(self, awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(SECONDS)

    def _waited(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            answer = method(*arguments, **named)
            return self._wait(answer) if inspect.isawaitable(answer) else answer

        return call


class _Subscription:
    """An asynchronous subscription, waited for."""

    def __init__(self, sdk: AsyncSdk, subscription: Any) -> None:
        self._sdk = sdk
        self._subscription = subscription

    def __getattr__(self, name: str) -> Any:
        return self._sdk._waited(getattr(self._subscription, name))
