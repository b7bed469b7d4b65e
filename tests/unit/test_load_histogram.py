from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerkit.loadtest.histogram import Histogram

DURATIONS = st.lists(st.floats(1e-5, 1000), min_size=1, max_size=200)


def filled(durations: list[float]) -> Histogram:
    histogram = Histogram()
    for duration in durations:
        histogram.record(duration)
    return histogram


@given(DURATIONS, st.floats(0.1, 100))
def test_a_percentile_is_within_a_thousandth_of_the_sorted_list(durations, percent):
    rank = max(1, math.ceil(percent / 100 * len(durations) - 1e-6))
    exact = sorted(durations)[rank - 1]
    found = filled(durations).percentile(percent)
    assert found == pytest.approx(exact, rel=0.001, abs=1e-6)


@given(DURATIONS, DURATIONS)
def test_two_histograms_added_are_that_of_both(one, other):
    both = filled(one)
    both.add(filled(other))
    assert both.buckets() == filled(one + other).buckets()
    assert (both.total, both.longest) == (len(one + other), max(one + other))


@given(DURATIONS)
def test_a_histogram_comes_back_from_its_buckets(durations):
    before = filled(durations)
    after = Histogram(before.buckets(), before.longest)
    assert after.percentiles((1, 50, 99.9)) == before.percentiles((1, 50, 99.9))


def test_an_empty_one_and_a_clock_that_went_back():
    assert Histogram().percentile(99) == 0.0
    assert filled([-1.0]).percentile(50) == 0.0
