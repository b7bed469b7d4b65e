"""The HTTP server on real ports."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.request import urlopen

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from workerkit.errors import StartStopError
from workerkit.observability.server import HttpServer, free, port_owner


def slow(request: Request) -> PlainTextResponse:
    request.app.state.entered.set()
    request.app.state.gate.wait(10)
    return PlainTextResponse("done")


@pytest.fixture
def server():
    app = Starlette(routes=[Route("/slow", slow), Route("/", lambda r: PlainTextResponse("hi"))])
    app.state.entered, app.state.gate = threading.Event(), threading.Event()
    running = HttpServer("test", app)
    running.start()
    yield running
    running.app.state.gate.set()
    running.stop(5)


@pytest.mark.parametrize("kept", [0, 60])
def test_an_idle_connection_is_kept_for_as_long_as_was_said(kept):
    server = HttpServer("test", Starlette(routes=[Route("/", lambda r: PlainTextResponse("hi"))]),
                        keep_alive=kept)  # fmt: skip
    server.start()
    line = HTTPConnection("127.0.0.1", server.port, timeout=0.5)
    line.request("GET", "/")
    line.getresponse().read()
    assert line.sock is not None
    if kept:
        with pytest.raises(TimeoutError):
            line.sock.recv(1)
    else:
        line.sock.settimeout(10)
        assert line.sock.recv(1) == b""
    line.close()
    server.stop(5)


def read(server: HttpServer, path: str = "/") -> str:
    with urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
        return answer.read().decode()


def test_it_serves_when_start_returns_and_can_be_started_again(server):
    assert read(server) == "hi"
    port = server.port
    server.stop(5)
    server.stop(5)
    assert free(port)
    server.start()
    assert (server.port, read(server)) == (port, "hi")


def test_a_taken_port_names_its_owner(server):
    assert not free(server.port)
    assert f"pid {os.getpid()} " in port_owner(server.port)
    with pytest.raises(StartStopError, match=rf"port {server.port} .* pid {os.getpid()} "):
        HttpServer("second", server.app, port=server.port).start()


def test_an_unusable_address_says_so():
    with pytest.raises(StartStopError, match=r"cannot listen on 192\.0\.2\.1"):
        HttpServer("away", Starlette(), host="192.0.2.1").start()


def test_an_application_that_fails_to_start_fails_the_start():
    async def broken(app):
        raise RuntimeError("no")
        yield

    with pytest.raises(StartStopError, match="did not start"):
        HttpServer("broken", Starlette(lifespan=broken)).start()


def test_stop_answers_what_was_asked(server):
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(read(server, "/slow")))
    asking.start()
    assert server.app.state.entered.wait(5)
    stopping = threading.Thread(target=server.stop, args=(10,))
    stopping.start()
    time.sleep(0.05)
    server.app.state.gate.set()
    stopping.join(10)
    asking.join(10)
    assert answers == ["done"]


def test_so_many_handlers_run_at_once_as_it_was_given_threads():
    running, most, lock = [0], [0], threading.Lock()

    def count(request: Request) -> PlainTextResponse:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        return PlainTextResponse("done")

    server = HttpServer("few", Starlette(routes=[Route("/", count)]), threads=2)
    server.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: urlopen(f"http://127.0.0.1:{server.port}/").read(), range(24)))
    finally:
        server.stop(5)
    assert most == [2]
