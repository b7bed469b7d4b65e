from __future__ import annotations

import math
from threading import Event

import pytest

from workerkit.loadtest.compare import INLINE, SEPARATED, differences, gate, rounds
from workerkit.loadtest.ramp import highest, ramp
from workerkit.loadtest.statistics import mean, ratio, slope


def test_a_mean_of_five_has_students_interval():
    found = mean([1.0, 2.0, 3.0, 4.0, 5.0])
    # 3 ± 2.776 · 1.5811 / √5
    assert (found.value, found.low) == (3.0, pytest.approx(3 - 1.963, abs=0.001))


def test_a_ratio_is_that_of_pairs_and_a_shared_slowdown_does_not_touch_it():
    found = ratio([1.0, 10.0, 100.0], [2.0, 20.0, 200.0])
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))


@pytest.mark.parametrize("pairs", [([1.0], [2.0]), ([0.0, 0.0], [1.0, 2.0])])
def test_what_was_measured_once_or_never_has_a_boundless_but_finite_interval(pairs):
    found = ratio(*pairs)
    assert found.low < 1e-100 and 1e100 < found.high < math.inf


def test_a_slope_is_found_with_its_uncertainty():
    times = [float(n) for n in range(100)]
    exact = slope(times, [3.0 + 0.5 * t for t in times])
    assert (exact.value, exact.low, exact.high) == pytest.approx((0.5, 0.5, 0.5))
    noisy = slope(times, [(-1.0) ** n for n in range(100)])
    assert noisy.low < 0 < noisy.high
    assert slope([1.0, 2.0], [1.0, 5.0]).low == -math.inf


def test_layouts_take_turns_in_beginning():
    order = []

    def measure(layout):
        order.append(layout)
        return {"p95": 1.0}

    found = rounds(3, measure, Event())
    assert order == [INLINE, SEPARATED, SEPARATED, INLINE, INLINE, SEPARATED]
    assert [len(found[layout]) for layout in (INLINE, SEPARATED)] == [3, 3]


def test_a_round_that_was_interrupted_does_not_count():
    stop = Event()
    calls = []

    def measure(layout):
        calls.append(layout)
        if len(calls) == 3:
            stop.set()
        return {"p95": 1.0}

    found = rounds(5, measure, stop)
    assert [len(found[layout]) for layout in (INLINE, SEPARATED)] == [1, 1]


INLINE_P95 = [0.100, 0.102, 0.098, 0.101, 0.099]


@pytest.mark.parametrize(
    ("separated", "verdict", "holds"),
    [
        ([0.050, 0.051, 0.049, 0.050, 0.050], "better", True),
        ([0.101, 0.103, 0.099, 0.102, 0.100], "not worse", True),
        ([0.150, 0.152, 0.148, 0.151, 0.149], "worse", False),
        ([0.050, 0.200, 0.070, 0.150, 0.100], "not proven", None),
    ],
)
def test_the_gate_tells_worse_from_not_proven(separated, verdict, holds):
    found = {
        INLINE: [{"p95": value} for value in INLINE_P95],
        SEPARATED: [{"p95": value} for value in separated],
    }
    (difference,) = differences(found, 0.1)
    assert difference.verdict == verdict
    (check,) = gate([difference], 0.1)
    assert check.holds is holds


def test_of_a_single_round_no_interval_is_shown():
    found = {INLINE: [{"p95": 0.1}], SEPARATED: [{"p95": 0.2}]}
    (difference,) = differences(found, 0.1)
    assert (difference.interval, difference.verdict) == ("not known", "not proven")
    assert gate([difference], 0.1)[0].seen.endswith("2.00 times [not known]")


def test_half_a_millisecond_does_not_fail_the_gate():
    found = {INLINE: [{"p50": 0.0005}] * 3, SEPARATED: [{"p50": 0.0009}] * 3}
    assert differences(found, 0.1)[0].verdict == "not worse"


def test_of_a_rate_less_is_worse():
    found = {INLINE: [{"rate": 100.0}] * 3, SEPARATED: [{"rate": 50.0}] * 3}
    assert differences(found, 0.1)[0].verdict == "worse"


def limited(limit: float):
    return lambda rate: "" if rate <= limit else "p95<150ms"


@pytest.mark.parametrize("limit", [130.0, 1000.0, 2345.0])
def test_a_ramp_finds_the_limit_within_its_precision(limit):
    steps = ramp(limited(limit), 100, 100_000)
    assert limit / 1.1 <= highest(steps) <= limit
    assert len(steps) < 14


def test_a_ramp_ends_at_the_highest_rate_that_may_be_tried():
    steps = ramp(limited(1e9), 100, 1000)
    assert highest(steps) == 1000


def test_a_ramp_that_never_holds_goes_down_and_ends():
    steps = ramp(limited(0), 100, 1000)
    assert highest(steps) == 0
    assert 1 <= steps[-1].rate < 2


def test_a_ramp_that_is_interrupted_keeps_its_steps():
    answers = iter(["", "", None])
    steps = ramp(lambda rate: next(answers), 100, 1000)
    assert [step.rate for step in steps] == [100, 200]


def test_a_rate_that_held_above_one_that_broke_is_luck():
    answers = iter(["", "broke", "", "broke", "", ""])
    steps = ramp(lambda rate: next(answers), 100, 1000)
    assert highest(steps) < 200
