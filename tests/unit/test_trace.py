"""Which trace an event belongs to, and what its follow-ups say of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerkit.core.trace import caused, of_run, parent_id, publish_id, sampled, trace_id
from workerkit.events.envelope import decode

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{SPAN}-01"
UUID = "0c2b3f43-8ad6-5b6d-838a-bf707e754d0b"
W3C = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")


def test_a_follow_up_stays_in_its_causes_trace_under_a_span_of_its_own():
    told = caused(GIVEN, "any", UUID)
    assert (trace_id(told, UUID), parent_id(told)) == (TRACE, "838abf707e754d0b")
    assert parent_id(told) == publish_id(UUID)


@pytest.mark.parametrize("flags", ["00", "01"])
def test_whether_a_trace_is_kept_is_handed_on(flags):
    given = f"00-{TRACE}-{SPAN}-{flags}"
    assert sampled(given) == sampled(caused(given, "any", UUID)) == (flags == "01")


@pytest.mark.parametrize(
    "nonsense",
    ["", "--" * 1000, TRACE, GIVEN[:-1], GIVEN + "-x", GIVEN.upper(),
     f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01"],
)  # fmt: skip
def test_without_a_valid_traceparent_the_trace_is_that_of_the_events_id(nonsense):
    assert trace_id(nonsense, "a") == trace_id("", "a") != trace_id("", "b")
    assert parent_id(nonsense) == ""
    assert trace_id(caused(nonsense, "a", UUID), UUID) == trace_id("", "a")
    assert sampled(nonsense)


@given(st.text(), st.text(), st.uuids().map(str))
def test_whatever_its_cause_says_a_follow_up_has_a_valid_traceparent(traceparent, cause, event):
    told = caused(traceparent, cause, event)
    assert W3C.fullmatch(told)
    assert parent_id(told) == publish_id(event)


def test_each_run_of_a_job_has_a_trace_of_its_own():
    runs = {of_run("shop/daily", tick, token) for tick in (1.0, 2.0) for token in (1, 2)}
    assert len({told[3:35] for told in runs}) == 4
    assert all(W3C.fullmatch(told) for told in runs)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (f'"traceid": "{GIVEN}"', GIVEN),
        (f'"traceid": "other", "traceparent": "{GIVEN}"', GIVEN),
        ('"traceid": 7', ""),
    ],
)
def test_daprs_traceid_serves_where_there_is_no_traceparent(fields, told):
    assert decode(f'{{"id": "a", {fields}}}'.encode(), "orders", "1-0").traceparent == told
