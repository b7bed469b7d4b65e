from __future__ import annotations

import pytest

from workerkit.errors import ConfigurationError
from workerkit.loadtest.histogram import Histogram
from workerkit.loadtest.measured import Measured
from workerkit.loadtest.thresholds import compare, judge, known, threshold
from workerkit.loadtest.units import seconds, shown

FIGURES = {"p95": 0.150, "errors": 0.001, "rate": 100.0, "rss_slope": 2e6}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("p95<150ms", False),
        ("p95<=150ms", True),
        ("p95 < 0.2s", True),
        ("errors<0.1%", False),
        ("errors<=0.1%", True),
        ("rate>=100/s", True),
        ("rate>100", False),
        ("rss_slope<1MB/h", False),
        ("rss_slope<3MB/h", True),
        ("p99<1s", False),
    ],
)
def test_a_threshold_holds_or_does_not(text, holds):
    (check,) = judge([threshold(text)], FIGURES)
    assert check.holds is holds


@pytest.mark.parametrize("text", ["p95", "p95=150ms", "p95<", "<150ms", "p95<150parsecs", ""])
def test_what_is_no_threshold_is_refused_with_examples(text):
    with pytest.raises(ConfigurationError, match=r"e\.g\. p95<150ms"):
        threshold(text)


def test_a_figure_that_the_run_will_not_have_is_refused_before_it():
    with pytest.raises(ConfigurationError, match="did you mean 'errors'"):
        known([threshold("eror<1%")], ["p95", "errors"])


def test_a_run_that_is_worse_than_its_baseline_beyond_the_tolerance_is_told():
    before = {"p50": 0.010, "p95": 0.020, "p99": 0.030, "errors": 0.0, "rate": 1000.0}
    now = {"p50": 0.0109, "p95": 0.023, "p99": 0.010, "errors": 0.002, "rate": 899.0}
    checks = {check.text.partition(">")[0].partition("<")[0]: check.holds
              for check in compare(now, before, 0.1, "baseline x")}  # fmt: skip
    assert checks == {"p50": True, "p95": False, "p99": True, "errors": False, "rate": False}


def test_half_a_millisecond_is_nobodys_regression():
    (check,) = compare({"p50": 0.0009}, {"p50": 0.0005}, 0.1, "baseline x")
    assert check.holds


@pytest.mark.parametrize(("errors", "holds"), [(0.001, True), (0.0011, False)])
def test_errors_may_rise_by_the_tolerance_of_a_percent(errors, holds):
    (check,) = compare({"errors": errors}, {"errors": 0.0}, 0.1, "baseline x")
    assert check.holds is holds


@pytest.mark.parametrize(
    ("text", "value"), [("5m", 300), ("1.5h", 5400), ("250ms", 0.25), ("30", 30), ("2 s", 2)]
)
def test_durations_are_read_as_people_write_them(text, value):
    assert seconds(text, "--duration") == value


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "-5s", "5m3", "0.1%"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ConfigurationError, match=r"--duration is .* such as 30s"):
        seconds(text, "--duration")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("p95", 0.0123, "12.30 ms"), ("errors", 0.001, "0.1 %"), ("rate", 1234.5, "1,234.5/s"),
        ("rss_slope", 1.5e6, "1.50 MB/h"), ("dropped", 12.0, "12"), ("max", 12.0, "12.0 s"),
    ],
)  # fmt: skip
def test_figures_are_shown_with_their_unit(name, value, text):
    assert shown(name, value) == text


def measured(*, cpu: float, late: float, latency: float) -> Measured:
    histograms = Histogram(), Histogram()
    histograms[0].record(latency)
    histograms[1].record(late)
    return Measured(100, 1, 1, {200: 1}, {}, 0, 0, 1, *histograms, (), cpu, "")


@pytest.mark.parametrize(
    ("cpu", "late", "latency", "said"),
    [
        (0.5, 0.0001, 0.002, ""),
        (0.95, 0.0001, 0.002, "it used 95% of a core"),
        (0.5, 0.005, 0.006, "half of its requests went out 5.0 ms late or more"),
        (0.5, 0.005, 0.500, ""),
    ],
)
def test_a_generator_that_was_the_limit_says_so(cpu, late, latency, said):
    assert measured(cpu=cpu, late=late, latency=latency).limited == said
