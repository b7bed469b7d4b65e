"""The generator over real sockets, against a server in another process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.load_server import serving
from workerkit.errors import ConfigurationError, Unreachable
from workerkit.loadtest.generator import Load, generate
from workerkit.loadtest.target import request, resolve, woven


def measure(url: str, load: Load, path: str = "/"):
    target = resolve(url)
    return generate(target, [request(target, path)], load)


@contextmanager
def apart_from(pid: int) -> Iterator[None]:
    """Process *pid* and this one on cores of their own, where there are two and Linux."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        yield
        return
    os.sched_setaffinity(pid, cores[:1])
    os.sched_setaffinity(0, cores[1:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def test_a_stalling_server_hides_nothing():
    # Of each second, the stall's share waits from all of it down to nothing, evenly spread.
    # In virtual time the figures agree within 2 %; here the machine's own work comes on top.
    with serving("stall") as server, apart_from(server.process.pid):
        measured = measure(server.url, Load(297.3, 6, warm_up=0.5))
    stall = min(server.stalls)
    assert measured.succeeded == measured.intended
    for percent in (95, 97.5, 99):
        assert measured.latency.percentile(percent) > 0.97 * (stall - (1 - percent / 100))


@pytest.mark.parametrize("fault", ["none", "chunked", "large", "close", "until-eof"])
def test_every_way_to_end_an_answer_is_understood(fault):
    with serving(fault) as server:
        measured = measure(server.url, Load(100, 0.5, warm_up=0))
    assert measured.statuses == {200: 50}
    assert (measured.connections > 0, dict(measured.failures)) == (True, {})


@pytest.mark.parametrize(("fault", "why"), [("garbage", "not HTTP"), ("cut", "connection closed")])
def test_an_answer_that_is_none_is_a_failure(fault, why):
    with serving(fault) as server:
        measured = measure(server.url, Load(100, 0.5, warm_up=0))
    assert measured.statuses == {}
    assert set(measured.failures) == {why}
    assert measured.errors == 1.0


def test_a_server_that_takes_no_connection_off_its_queue_answers_nothing():
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        measured = measure(url, Load(50, 30, warm_up=0, timeout=0.5, connections=20))
    assert measured.ended == "the target answered nothing"
    assert measured.statuses == {}
    assert measured.failures["timed out"] + measured.dropped >= 10
    assert measured.latency.percentile(50) == pytest.approx(0.5, abs=0.1)


def test_a_server_that_was_ended_cannot_be_reached():
    with serving("none") as server:
        pass
    with pytest.raises(Unreachable, match="connection refused"):
        measure(server.url, Load(100, 1))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://192.0.2.1:80", "192.0.2.1 is not this machine; --allow-host 192.0.2.1"),
        ("https://127.0.0.1", "is no http:// URL"),
        ("127.0.0.1:8001", "is no http:// URL"),
        ("http://127.0.0.1:99999", "Port out of range"),
    ],
)
def test_what_must_not_or_cannot_be_loaded_is_refused(url, said):
    with pytest.raises(ConfigurationError, match=said):
        resolve(url)


def test_another_host_is_loaded_when_it_is_allowed():
    assert resolve("http://192.0.2.1:80", ["192.0.2.1"]).port == 80


@pytest.mark.parametrize("path", ["prices", "/a b", "/x\r\nhost: evil", "/\u00e9"])
def test_a_path_that_cannot_stand_in_a_request_is_refused(path):
    with pytest.raises(ConfigurationError, match="must begin with /"):
        request(resolve("http://127.0.0.1:1"), path)


def test_requests_are_woven_by_their_weights():
    assert woven([2, 1]) == [0, 1, 0]
    assert woven([5, 1, 1]) == [0, 0, 1, 0, 2, 0, 0]
