"""The generator against servers whose latencies can be computed, in virtual time."""

from __future__ import annotations

import math

import pytest

from tests.virtual_time import Server, measure
from workerkit.errors import ConfigurationError, Unreachable
from workerkit.loadtest.generator import Load

PERCENTS = (50, 75, 90, 95, 99, 99.9)

GOLDEN = (math.sqrt(5) - 1) / 2


def exact(latencies: list[float], percent: float) -> float:
    """The smallest value that *percent* of *latencies* do not exceed."""
    return sorted(latencies)[max(0, math.ceil(percent / 100 * len(latencies) - 1e-6) - 1)]


def assert_percentiles(measured, latencies):
    for percent in PERCENTS:
        expected = exact(latencies, percent)
        assert measured.latency.percentile(percent) == pytest.approx(expected, rel=0.02), percent


def test_a_stall_of_100_ms_each_second_is_seen_by_every_request_that_it_holds_up():
    def stalls(now: float, n: int) -> float:
        return 0.001 + max(0.0, 0.1 - now % 1)

    measured = measure(Server(stalls), Load(1000, 10, warm_up=0, connections=500))
    assert_percentiles(measured, [stalls(n / 1000, n) for n in range(10_000)])
    assert measured.latency.percentile(95) == pytest.approx(0.050, rel=0.03)
    assert measured.succeeded == measured.intended == 10_000


def test_a_stall_is_seen_alike_when_there_are_few_connections():
    def stalls(now: float, n: int) -> float:
        return 1e-6 + max(0.0, 0.1 - now % 1)

    measured = measure(Server(stalls), Load(1000, 5, warm_up=0, connections=5))
    expected = [1e-6 + max(0.0, 0.1 - n / 1000 % 1) for n in range(5000)]
    assert measured.connections == 5
    assert measured.latency.percentile(95) == pytest.approx(exact(expected, 95), rel=0.02)
    assert measured.latency.percentile(99) == pytest.approx(exact(expected, 99), rel=0.02)


def test_percentiles_of_an_exponential_distribution_are_those_of_its_formula():
    def exponential(now: float, n: int) -> float:
        return -0.05 * math.log(1 - n * GOLDEN % 1)

    measured = measure(Server(exponential), Load(500, 40, warm_up=0, connections=1000))
    for percent in (50, 75, 90, 95, 99):
        formula = -0.05 * math.log(1 - percent / 100)
        assert measured.latency.percentile(percent) == pytest.approx(formula, rel=0.02)


def test_a_queue_that_grows_is_measured_from_the_intended_time():
    measured = measure(
        Server(lambda now, n: 0.010), Load(200, 2, warm_up=0, timeout=60, connections=1)
    )
    assert_percentiles(measured, [0.010 + n * (0.010 - 0.005) for n in range(400)])
    assert measured.dropped == 0


def test_what_waited_too_long_for_a_connection_is_dropped_and_counted():
    load = Load(200, 4, warm_up=0, timeout=1, connections=1)
    measured = measure(Server(lambda now, n: 0.010), load)
    assert measured.intended == 800
    assert measured.dropped + measured.succeeded + sum(measured.failures.values()) == 800
    # Half can be served; what is still queued when sending ends gets one more second.
    assert measured.succeeded == pytest.approx(4.0 / 0.010 + 1.0 / 0.010, abs=15)
    assert measured.latency.longest >= 1.0
    assert measured.errors == pytest.approx(1 - measured.succeeded / 800)


def test_one_percent_errors_are_one_percent():
    server = Server(status=lambda n: 500 if n % 100 == 0 else 200)
    measured = measure(server, Load(1000, 5, warm_up=0))
    assert measured.statuses == {200: 4950, 500: 50}
    assert measured.errors == pytest.approx(0.01)
    assert measured.achieved == pytest.approx(990)


def test_a_wrong_path_is_all_errors():
    measured = measure(Server(status=lambda n: 404), Load(100, 1, warm_up=0))
    assert (measured.statuses, measured.errors) == ({404: 100}, 1.0)
    assert measured.ended == ""


def test_the_warm_up_is_left_out():
    measured = measure(Server(lambda now, n: 0.5 if now < 1 else 0.001), Load(100, 2, warm_up=1))
    assert measured.intended == measured.succeeded == 200
    assert measured.latency.longest < 0.002


def test_a_full_accept_queue_is_told_after_the_timeout():
    with pytest.raises(Unreachable, match="took no connection within 5 s"):
        measure(Server(accepts=lambda now: None), Load(100, 2))


def test_a_dead_target_is_told_at_once():
    with pytest.raises(Unreachable, match=r"cannot reach http://127.0.0.1:1: refused; does it run"):
        measure(Server(accepts=lambda now: False), Load(100, 2))


def test_a_server_that_never_answers_ends_the_run_after_the_timeout():
    measured = measure(Server(lambda now, n: None), Load(100, 60, warm_up=0, timeout=2))
    assert measured.ended == "the target answered nothing"
    assert measured.failures["timed out"] >= 10
    assert measured.latency.percentile(50) == pytest.approx(2.0, rel=0.02)
    assert measured.seconds < 3


def test_a_target_that_dies_half_way_ends_the_run_with_what_was_measured():
    server = Server(accepts=lambda now: now < 3)
    measured = measure(server, Load(100, 60, warm_up=0, timeout=1), crash_at=3)
    assert measured.ended == "the target stopped answering after 3.0 s"
    assert measured.succeeded == pytest.approx(300, abs=2)
    assert measured.failures["connection refused"] == pytest.approx(100, abs=5)


def test_an_outage_shorter_than_the_timeout_is_counted_and_passes():
    server = Server(accepts=lambda now: not 2 <= now < 2.5)
    measured = measure(server, Load(100, 5, warm_up=0), crash_at=2)
    assert measured.ended == ""
    assert measured.succeeded == pytest.approx(450, abs=2)
    assert measured.failures["connection refused"] == pytest.approx(50, abs=2)


def test_an_interrupted_run_keeps_what_it_has():
    told = []
    server = Server(lambda now, n: 0.050)
    measured = measure(server, Load(100, 60, warm_up=0), stop_at=2.5, tell=told.append)
    assert measured.ended == "interrupted"
    assert measured.seconds == pytest.approx(2.5, abs=0.1)
    assert measured.succeeded == pytest.approx(245, abs=5)
    assert 0 < measured.unfinished < 10
    assert measured.errors == 0
    assert [second.at for second in told] == [0, 1]


def test_every_second_is_told_with_its_own_percentiles():
    told = []
    server = Server(lambda now, n: 0.2 if 1 <= now < 2 else 0.01)
    measure(server, Load(100, 4, warm_up=0), tell=told.append)
    assert [round(second.p50, 2) for second in told] == [0.01, 0.2, 0.01, 0.01]


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ({"rate": 0, "duration": 1}, "--rate is 0, must be above 0, e.g. --rate 1000"),
        ({"rate": -5, "duration": 1}, "--rate is -5"),
        ({"rate": float("nan"), "duration": 1}, "--rate is nan"),
        ({"rate": 10, "duration": 0}, "--duration is 0"),
        ({"rate": 0.1, "duration": 1}, "--rate 0.1 for 1 s sends nothing"),
    ],
)
def test_a_load_that_sends_nothing_is_refused(load, said):
    with pytest.raises(ConfigurationError, match=said):
        Load(**load)
