"""OpenTelemetry spans of what was settled: the extra `otel`, imported only when it is asked for.

A hook is told afterwards, so spans are made with the times that were taken,
and nothing waits for them. As their ids are known beforehand, what a handler
or job calls can be instrumented and hangs below its span. See `core.trace`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from ..core.hooks import Ran, Settled
from ..core.trace import handled, parent_id, publish_id, sampled

MOST_LINKS = 128
"""Events that a batch's span links to: OpenTelemetry's own default limit."""


class Tracing:
    """A hook that hands spans to *processor*; without one to the collector.

    Which one, sampling, batching and limits are the SDK's, and set by its variables.
    """

    def __init__(self, service: str, processor: SpanProcessor | None = None) -> None:
        self.service = service
        self._ids = _Ids()
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service}), id_generator=self._ids
        )
        self._provider.add_span_processor(processor or _to_collector())
        self._tracer = self._provider.get_tracer("workerkit")

    def settled(self, records: Sequence[Settled]) -> None:
        """Spans of each event, and of the batch that shared their transaction."""
        told = [(record, self._event(record)) for record in records]
        batch = records[0].batch if records else None
        if batch is None or not batch.committed:
            return
        contexts = [span.get_span_context() for _, span in told]
        links = [Link(context) for context in contexts if context.trace_flags.sampled]
        together = len(records) > 1 and bool(links)
        if together:
            size = {"messaging.batch.message_count": len(records)}
            shared = self._span(
                f"batch {records[0].worker}", batch.began, batch.committed, Context(),
                links=links[:MOST_LINKS], attributes=size,
            )  # fmt: skip
            links = [Link(shared.get_span_context())]
        for record, span in told:
            self._span(
                f"commit {self.service}", record.ended, batch.committed, set_span_in_context(span),
                kind=SpanKind.CLIENT, links=links if together else (),
            )  # fmt: skip
            for topic, event_id in record.follow_ups:
                self._ids.next_span = int(publish_id(event_id), 16)
                self._publish(topic, event_id, batch.committed, set_span_in_context(span))

    def ran(self, record: Ran) -> None:
        """The span of one run; what it has published is part of the same trace."""
        if record.outcome == "skipped":
            return
        self._ids.next_trace = int(record.traceparent[3:35], 16)
        self._ids.next_span = int(parent_id(record.traceparent), 16)
        began = record.tick + record.late
        attributes = {"workerkit.tick": record.tick, "workerkit.outcome": record.outcome,
                      "workerkit.rows": record.rows}  # fmt: skip
        self._span(
            f"run {record.service}/{record.job}", began, began + record.duration, Context(),
            attributes=attributes, error=record.message if record.outcome != "succeeded" else "",
        )  # fmt: skip

    @contextmanager
    def within(self, traceparent: str) -> Iterator[None]:
        """Have what instruments a handler or job make its spans below the one of *traceparent*."""
        there = _context_of(traceparent)
        asked = self._provider.sampler.should_sample(there, int(traceparent[3:35], 16), "within")
        kept = asked.decision is Decision.RECORD_AND_SAMPLE
        token = attach(there if kept else _context_of(f"{traceparent[:53]}00"))
        try:
            yield
        finally:
            detach(token)

    def close(self, timeout: float) -> None:
        """Send what is left, for *timeout* seconds at most: a collector that is away loses it."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(timeout)

    def _event(self, record: Settled) -> Span:
        """Publication, wait and handler; the last of these."""
        batch = record.batch
        began = record.ended - record.duration
        published = batch.began + record.duration - record.age if batch else began
        parent = self._publication(record, published)
        attributes: Mapping[str, str | float] = {
            "messaging.system": "workerkit",
            "messaging.destination.name": record.topic,
            "messaging.message.id": record.event_id,
            "messaging.consumer.group.name": record.service,
            "workerkit.outcome": record.outcome,
            "workerkit.attempt": record.attempt,
        }
        if record.attempt == 1:
            # A later attempt has waited for its time, not for a worker.
            delivered = self._span(
                f"deliver {record.topic}", min(published, began), began, parent,
                kind=SpanKind.CONSUMER, attributes=attributes,
            )  # fmt: skip
            parent = set_span_in_context(delivered)
        consumer = f"{record.service}/{record.worker}"
        own = handled(record.traceparent, record.event_id, consumer, record.attempt)
        self._ids.next_span = int(parent_id(own), 16)
        return self._span(
            f"handle {record.worker}", began, record.ended, parent,
            attributes=attributes, error=record.message,
        )  # fmt: skip

    def _publication(self, record: Settled, published: float) -> Context:
        """The span that an event's `traceparent` names; ours in place of one that nobody made."""
        if parent_id(record.traceparent):
            return _context_of(record.traceparent)
        self._ids.next_trace = int(record.trace_id, 16)
        self._ids.next_span = int(publish_id(record.event_id), 16)
        return set_span_in_context(
            self._publish(record.topic, record.event_id, published, Context())
        )

    def _publish(self, topic: str, event_id: str, at: float, parent: Context) -> Span:
        attributes = {"messaging.destination.name": topic, "messaging.message.id": event_id}
        return self._span(
            f"publish {topic}", at, at, parent, kind=SpanKind.PRODUCER, attributes=attributes
        )

    def _span(
        self,
        name: str,
        began: float,
        ended: float,
        parent: Context,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | float] | None = None,
        links: Sequence[Link] = (),
        error: str = "",
    ) -> Span:
        """A span that is over; times in epoch seconds."""
        span = self._tracer.start_span(
            name, parent, kind, dict(attributes or {}), links, int(began * 1e9)
        )
        self._ids.next_trace = self._ids.next_span = 0
        if error:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(int(ended * 1e9))
        return span


def _context_of(traceparent: str) -> Context:
    """What hangs below the span that *traceparent* names."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled(traceparent) else 0)
    trace, span = int(traceparent[3:35], 16), int(traceparent[36:52], 16)
    there = SpanContext(trace, span, is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(there))


class _Ids(RandomIdGenerator, threading.local):
    """Random, unless the next one has been said on this thread."""

    next_trace = 0
    next_span = 0

    def generate_trace_id(self) -> int:
        return self.next_trace or super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.next_span or super().generate_span_id()


def _to_collector() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    return BatchSpanProcessor(OTLPSpanExporter())
