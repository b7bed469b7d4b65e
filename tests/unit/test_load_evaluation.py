"""Whether a service's workers should leave its API's process, by figures that are known."""

from __future__ import annotations

import pytest

from workerkit.loadtest.compare import UNKNOWN, Difference
from workerkit.loadtest.evaluation import Evaluation, Volume, decide


def decided(seconds: float, high: float) -> Evaluation:
    """At 10 events/s of so many *seconds*; separated, the p95 is 0.5 to *high* times inline's."""
    p95 = Difference("p95", 0.100, 0.080, 0.8, 0.5, high, UNKNOWN)
    return decide("shop", Volume(10.0, "told"), seconds, [p95], 0.1, "run-1")


@pytest.mark.parametrize(
    ("seconds", "high", "answer"),
    [
        (0.019, 0.95, "NO"),  # better by some, not surely by a tenth
        (0.019, 0.90, "YES"),
        (0.020, 0.95, "YES"),
    ],
)
def test_busy_handlers_or_a_slowed_api_separate(seconds, high, answer):
    assert decided(seconds, high).answer == answer


def test_the_reason_names_what_decided_and_nothing_else():
    busy, slowed = "handlers are busy for", "the API's p95 is"
    reasons = [decided(0.020, 0.95).reason, decided(0.019, 0.90).reason, decided(0.020, 0.9).reason]
    assert [(busy in reason, slowed in reason) for reason in reasons] == [
        (True, False), (False, True), (True, True),
    ]  # fmt: skip
    assert "it is not shown that they slow the API" in decided(0.019, 0.95).reason
