"""OpenTelemetry spans of what was settled: whose they are, and how they hang together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from workerkit.core.hooks import Batch, Ran, Settled
from workerkit.core.trace import caused, handled, of_run, publish_id, trace_id

export = pytest.importorskip("opentelemetry.sdk.trace.export", reason="the extra otel is missing")
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")

from opentelemetry.sdk.trace import SpanProcessor  # noqa: E402
from opentelemetry.trace import StatusCode  # noqa: E402

from workerkit.observability.tracing import MOST_LINKS, Tracing  # noqa: E402

NEXT = "0c2b3f43-8ad6-5b6d-838a-bf707e754d0b"


class Spans:
    """Tracing that keeps what it makes."""

    def __init__(self) -> None:
        self._kept = memory.InMemorySpanExporter()
        self.tracing = Tracing("shop", export.SimpleSpanProcessor(self._kept))

    def of(self, name: str) -> list[Any]:
        return [span for span in self._kept.get_finished_spans() if span.name == name]

    def one(self, name: str) -> Any:
        (span,) = self.of(name)
        return span

    def names(self) -> list[str]:
        return [span.name for span in self._kept.get_finished_spans()]


@pytest.fixture
def spans() -> Iterator[Spans]:
    opened = Spans()
    yield opened
    opened.tracing.close(1.0)


BATCH = Batch(began=1000.0, committed=1000.5)


def settled(event_id: str = "a", **more: Any) -> Settled:
    """Published at 999.9, handled from 1000.1 to 1000.3, committed at 1000.5."""
    record = Settled("shop", "order", "orders", event_id, "applied", 1, 0.2, 0.3, ended=1000.3,
                     batch=BATCH)  # fmt: skip
    return record._replace(**more)


def seconds(span: Any) -> tuple[float, float]:
    return pytest.approx(span.start_time / 1e9), pytest.approx(span.end_time / 1e9)


def test_an_event_is_followed_from_its_publication_to_its_follow_ups(spans):
    spans.tracing.settled([settled(follow_ups=(("parcels", NEXT),))])
    chain = [spans.one(name) for name in ("publish orders", "deliver orders", "handle order")]
    assert [seconds(span) for span in chain] == [(999.9, 999.9), (999.9, 1000.1), (1000.1, 1000.3)]
    commit, follow_up = spans.one("commit shop"), spans.one("publish parcels")
    assert seconds(commit) == (1000.3, 1000.5)
    handle = chain[-1].context.span_id
    assert [span.parent.span_id for span in chain[1:]] == [s.context.span_id for s in chain[:-1]]
    assert (commit.parent.span_id, follow_up.parent.span_id) == (handle, handle)
    assert chain[0].parent is None
    assert {f"{span.context.trace_id:032x}" for span in [*chain, commit]} == {trace_id("", "a")}


def test_the_next_service_goes_on_where_the_follow_up_was_published(spans):
    spans.tracing.settled([settled(follow_ups=(("parcels", NEXT),))])
    there = Spans()
    there.tracing.settled([settled(NEXT, topic="parcels", traceparent=caused("", "a", NEXT))])
    published, delivered = spans.one("publish parcels"), there.one("deliver parcels")
    assert delivered.parent.span_id == published.context.span_id == int(publish_id(NEXT), 16)
    assert delivered.context.trace_id == published.context.trace_id
    assert "publish parcels" not in there.names()


def test_a_batch_links_to_its_events_and_each_commit_to_its_batch(spans):
    spans.tracing.settled([settled("a"), settled("b")])
    batch = spans.one("batch order")
    handled = [span.context.span_id for span in spans.of("handle order")]
    assert [link.context.span_id for link in batch.links] == handled
    assert len({span.context.trace_id for span in [batch, *spans.of("handle order")]}) == 3
    for commit in spans.of("commit shop"):
        assert [link.context.span_id for link in commit.links] == [batch.context.span_id]
    spans.tracing.settled([settled(str(n)) for n in range(MOST_LINKS + 5)])
    assert len(spans.of("batch order")[1].links) == MOST_LINKS


def test_a_failure_is_an_error_and_a_later_attempt_was_not_delivered_again(spans):
    spans.tracing.settled([settled(outcome="parked", attempt=2, message="ValueError: no")])
    handled = spans.one("handle order")
    assert (handled.status.status_code, handled.status.description) == (
        StatusCode.ERROR, "ValueError: no",
    )  # fmt: skip
    assert handled.attributes["workerkit.attempt"] == 2
    assert spans.of("deliver orders") == []
    assert handled.parent.span_id == spans.one("publish orders").context.span_id


def test_who_began_the_trace_decides_whether_it_is_kept(spans):
    begun = f"00-{'ab' * 16}-{'cd' * 8}-0"
    spans.tracing.settled([settled("a", traceparent=begun + "0")])
    assert spans.names() == []
    spans.tracing.settled([settled("a", traceparent=begun + "1")])
    assert f"{spans.one('deliver orders').parent.span_id:x}" == "cd" * 8


def test_sampling_by_ratio_keeps_or_drops_whole_traces(monkeypatch):
    """For that, trace ids must be spread over all of their bits; those of a UUID are not."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    here, there = Spans(), Spans()
    for n in range(400):
        cause = f"{n:08x}-0000-4000-8000-000000000000"
        here.tracing.settled([settled(cause)])
        there.tracing.settled([settled(NEXT, traceparent=caused("", cause, NEXT))])
    kept = {span.context.trace_id for span in here.of("handle order")}
    assert kept == {span.context.trace_id for span in there.of("handle order")}
    assert 60 < len(kept) < 140


def test_a_run_has_a_span_that_its_events_hang_below(spans):
    told = of_run("shop/daily", 1000.0, 7)
    ran = Ran("shop", "daily", 1000.0, "failed", 0.5, 2.0, 3, "ValueError", "ValueError: no", told)
    spans.tracing.ran(ran)
    spans.tracing.ran(ran._replace(outcome="skipped"))
    run = spans.one("run shop/daily")
    assert (seconds(run), run.status.description) == ((1000.5, 1002.5), "ValueError: no")
    spans.tracing.settled([settled(NEXT, traceparent=told)])
    delivered = spans.one("deliver orders")
    assert delivered.parent.span_id == run.context.span_id
    assert delivered.context.trace_id == run.context.trace_id


def test_what_a_handler_or_a_job_calls_hangs_below_its_span(spans):
    inner = spans.tracing._provider.get_tracer("somebody else's")
    spans.tracing.settled([settled()])
    with spans.tracing.within(handled("", "a", "shop/order", 1)):
        inner.start_span("SELECT").end()
    inner.start_span("later").end()
    handle = spans.one("handle order")
    assert spans.one("SELECT").parent.span_id == handle.context.span_id
    assert spans.one("SELECT").context.trace_id == handle.context.trace_id
    assert spans.one("later").parent is None
    with spans.tracing.within(f"00-{'ab' * 16}-{'cd' * 8}-00"):
        inner.start_span("unwanted").end()
    assert spans.of("unwanted") == []


def test_a_stop_does_not_wait_for_a_collector_that_is_away():
    answers, asked = threading.Event(), threading.Event()

    class Stuck(SpanProcessor):
        def shutdown(self) -> None:
            asked.set()
            answers.wait(60)

    Tracing("shop", Stuck()).close(0.0)
    assert asked.wait(10)
    assert not answers.is_set()
    answers.set()
