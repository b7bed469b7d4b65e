"""Dapr's gRPC API on the official stubs: publish, streaming subscriptions, state, metadata."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import grpc
from dapr.proto.runtime.v1 import dapr_pb2_grpc, metadata_pb2, pubsub_pb2, state_pb2
from google.protobuf.empty_pb2 import Empty

from ..core.loading import unknown
from .bulk import check_ids
from .declared import is_raw
from .feed import Feed, Handed, Status
from .grpc_events import as_response
from .publishing import Target
from .refusal import Refusal, refusal_of
from .runtime import Runtime
from .stores import FIRST_WRITE, LAST_WRITE, Change, change_each, read_ttl
from .stream import Stream

log = logging.getLogger("workerkit.sidecar")

STATUSES = {0: Status.SUCCESS, 1: Status.RETRY, 2: Status.DROP}
CONCURRENCY = {1: FIRST_WRITE, 2: LAST_WRITE}

Method = Callable[[Any, Any, Any], Awaitable[Any]]


def _served(method: Method) -> Method:
    """Ask for the token; turn what *method* raises into gRPC's status."""

    @wraps(method)
    async def serve(api: DaprApi, request: Any, context: Any) -> Any:
        try:
            api.check_token(context)
            return await method(api, request, context)
        except grpc.aio.BaseError:  # an abort
            raise
        except Exception as error:
            refusal = refusal_of(error)
            if refusal.code == "ERR_INTERNAL":
                log.exception("gRPC call failed")
            await context.abort(getattr(grpc.StatusCode, refusal.grpc), str(refusal))

    return serve


@dataclass(slots=True)
class _Entry:
    """A bulk publish's entry."""

    id: str
    content_type: str
    options: Mapping[str, str]
    event: bytes

    def body(self) -> bytes:
        """As it was sent."""
        return self.event


class DaprApi(dapr_pb2_grpc.DaprServicer):  # type: ignore[misc]  # the stubs have no types
    """Serves *runtime* on one event loop; what it does not have answers UNIMPLEMENTED."""

    def __init__(self, runtime: Runtime, token: str | None) -> None:
        self._runtime = runtime
        self._publishing = runtime.publishing()
        self._token = token
        self.ending = asyncio.Event()

    def check_token(self, context: Any) -> None:
        """Raises Refusal without the right `dapr-api-token`."""
        if self._token is None:
            return
        given = str(dict(context.invocation_metadata()).get("dapr-api-token", ""))
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            text = "metadata dapr-api-token is missing or wrong"
            raise Refusal(401, "ERR_UNAUTHORIZED", text, "UNAUTHENTICATED")

    @_served
    async def PublishEvent(self, request: Any, context: Any) -> Any:  # noqa: N802
        """One event, durable when it is answered."""
        to = _target(request, context)
        pairs = request.metadata.items()
        await self._publishing.one(to, request.data, request.data_content_type, pairs)
        return Empty()

    @_served
    async def BulkPublishEvent(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Many; the answer names those that did not go out."""
        entries = [
            _Entry(each.entry_id, each.content_type, dict(each.metadata), each.event)
            for each in request.entries
        ]
        check_ids(entry.id for entry in entries)
        to = _target(request, context)
        failed = await self._publishing.many(to, lambda: entries, request.metadata.items())
        shown = [
            pubsub_pb2.BulkPublishResponseFailedEntry(entry_id=entry, error=error)
            for entry, error in failed.items()
        ]
        return pubsub_pb2.BulkPublishResponse(failedEntries=shown)

    BulkPublishEventAlpha1 = BulkPublishEvent

    @_served
    async def SubscribeTopicEventsAlpha1(self, requests: Any, context: Any) -> Any:  # noqa: N802
        """Events until the client goes; what it did not answer goes to another."""
        first = await anext(aiter(requests), None)
        wanted = first.initial_request if first is not None else None
        if wanted is None or not wanted.topic:
            text = "the first message must be an initial_request that names a topic"
            raise Refusal(400, "ERR_MALFORMED_REQUEST", text, "INVALID_ARGUMENT")
        feed = await asyncio.to_thread(self._feed, wanted)
        initial = pubsub_pb2.SubscribeTopicEventsResponseInitialAlpha1()
        response = pubsub_pb2.SubscribeTopicEventsResponseAlpha1(initial_response=initial)
        stream = None
        try:
            await context.write(response)
            stream = Stream(feed, _writer(feed, context))
            await self._take_answers(requests, stream, context)
        finally:
            # Not awaited: whoever was cancelled may wait for nothing more.
            end = feed.close if stream is None else stream.close
            asyncio.get_running_loop().run_in_executor(None, end)

    async def _take_answers(self, requests: Any, stream: Stream, context: Any) -> None:
        """Until the client ends the stream, or we do."""
        answers = asyncio.create_task(_take_answers(requests, stream))
        ending = asyncio.create_task(self.ending.wait())
        try:
            await asyncio.wait((answers, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            answers.cancel()
            ending.cancel()
        if self.ending.is_set():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the sidecar is shutting down")

    def _feed(self, wanted: Any) -> Feed:
        pubsubs = self._runtime.pubsubs
        if wanted.pubsub_name not in pubsubs:
            text = unknown("pubsub", wanted.pubsub_name, pubsubs)
            raise Refusal(404, "ERR_PUBSUB_NOT_FOUND", text, "NOT_FOUND")
        return Feed(
            pubsubs[wanted.pubsub_name], wanted.topic, self._runtime.app_id,
            dead_letter=wanted.dead_letter_topic, raw=is_raw(wanted.metadata),
        )  # fmt: skip

    @_served
    async def GetState(self, request: Any, context: Any) -> Any:  # noqa: N802
        """One value; empty when there is none."""
        store = self._runtime.states.store(request.store_name)
        found = (await asyncio.to_thread(store.get, [request.key])).get(request.key)
        if found is None:
            return state_pb2.GetStateResponse()
        return state_pb2.GetStateResponse(data=found.value, etag=found.etag)

    @_served
    async def GetBulkState(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Several values, an empty one for each key that there is not."""
        store = self._runtime.states.store(request.store_name)
        keys = list(request.keys)
        found = await asyncio.to_thread(store.get, keys)
        items = [
            state_pb2.BulkStateItem(key=key, data=found[key].value, etag=found[key].etag)
            if key in found
            else state_pb2.BulkStateItem(key=key)
            for key in keys
        ]
        return state_pb2.GetBulkStateResponse(items=items)

    @_served
    async def SaveState(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Several keys, each on its own."""
        return await self._each(request.store_name, [_change(each) for each in request.states])

    @_served
    async def DeleteState(self, request: Any, context: Any) -> Any:  # noqa: N802
        """One key."""
        return await self._each(request.store_name, [_change(request, delete=True)])

    @_served
    async def DeleteBulkState(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Several keys, each on its own."""
        changes = [_change(each, delete=True) for each in request.states]
        return await self._each(request.store_name, changes)

    @_served
    async def ExecuteStateTransaction(self, request: Any, context: Any) -> Any:  # noqa: N802
        """All or nothing."""
        changes = []
        for each in request.operations:
            if each.operationType not in ("upsert", "delete"):
                text = f"operation {each.operationType!r} must be upsert or delete"
                raise Refusal(400, "ERR_NOT_SUPPORTED_STATE_OPERATION", text, "INVALID_ARGUMENT")
            changes.append(_change(each.request, delete=each.operationType == "delete"))
        store = self._runtime.states.store(request.storeName)
        await asyncio.to_thread(store.change, changes)
        return Empty()

    async def _each(self, name: str, changes: Sequence[Change]) -> Any:
        await asyncio.to_thread(change_each, self._runtime.states.store(name), changes)
        return Empty()

    @_served
    async def GetMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The components, the subscriptions, and what was set."""
        runtime = self._runtime
        components = [
            metadata_pb2.RegisteredComponents(
                name=each.name, type=each.type, version="v1", capabilities=each.capabilities
            )
            for each in runtime.components()
        ]
        subscriptions = [
            metadata_pb2.PubsubSubscription(
                pubsub_name=each.pubsub, topic=each.topic, dead_letter_topic=each.dead_letter
            )
            for each in runtime.subscribed()
        ]
        return metadata_pb2.GetMetadataResponse(
            id=runtime.app_id, registered_components=components, subscriptions=subscriptions,
            extended_metadata=runtime.extended(), runtime_version=runtime.version,
        )  # fmt: skip

    @_served
    async def SetMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A label of the app's own."""
        self._runtime.labels[request.key] = request.value
        return Empty()


async def _take_answers(requests: Any, stream: Stream) -> None:
    async for request in requests:
        processed = request.event_processed
        stream.answer(processed.id, STATUSES.get(processed.status.status, Status.RETRY))


def _writer(feed: Feed, context: Any) -> Callable[[Sequence[Handed]], object]:
    """Writes from another thread; returns when the connection has taken all of it."""
    loop = asyncio.get_running_loop()

    async def write(responses: Sequence[Any]) -> None:
        for response in responses:
            await context.write(response)

    def send(events: Sequence[Handed]) -> None:
        responses = [as_response(event, feed.pubsub.name, feed.topic) for event in events]
        asyncio.run_coroutine_threadsafe(write(responses), loop).result()

    return send


def _target(request: Any, context: Any) -> Target:
    given = dict(context.invocation_metadata())
    trace = {name: str(given.get(name, "")) for name in ("traceparent", "tracestate")}
    return Target(request.pubsub_name, request.topic, **trace)


def _change(item: Any, *, delete: bool = False) -> Change:
    value = None if delete else item.value
    concurrency = CONCURRENCY.get(item.options.concurrency, "")
    return Change(item.key, value, item.etag.value, concurrency, read_ttl(item.metadata))
