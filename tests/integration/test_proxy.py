"""The proxy of chaos runs: each toxic does to a connection what its name says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from tests.ports import free_port
from workerkit.chaos.proxy import Proxy, Toxic


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    """A server that answers with what it hears."""
    server = socket.create_server(("127.0.0.1", 0))

    def echo(connection: socket.socket) -> None:
        with closing(connection), suppress(OSError):
            while piece := connection.recv(65536):
                connection.sendall(piece)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server
    server.close()


@pytest.fixture
def proxy(upstream) -> Iterator[Proxy]:
    started = Proxy("echo", upstream.getsockname())
    started.start()
    yield started
    started.stop(5.0)


class Client:
    """A connection through the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self.socket = socket.create_connection(("127.0.0.1", proxy.port), 10)

    def ask(self, line: bytes = b"hello\n") -> bytes:
        self.socket.sendall(line)
        answer = b""
        while len(answer) < len(line) and (piece := self.socket.recv(65536)):
            answer += piece
        return answer


def test_what_is_healthy_passes_whole(proxy):
    client, line = Client(proxy), b"x" * 1_000_000 + b"\n"
    assert client.ask(line) == line


def test_down_cuts_what_is_open_and_refuses_what_is_new_until_it_ends(proxy):
    client = Client(proxy)
    assert client.ask() == b"hello\n"
    with proxy.poisoned(Toxic(down=True)):
        assert client.socket.recv(10) == b""
        assert Client(proxy).socket.recv(10) == b""
    assert Client(proxy).ask() == b"hello\n"


def test_latency_delays_each_way(proxy):
    client = Client(proxy)
    with proxy.poisoned(Toxic(latency=0.1)):
        began = time.monotonic()
        assert client.ask() == b"hello\n"
        assert time.monotonic() - began >= 0.2
    assert client.ask() == b"hello\n"


def test_timeout_lets_nothing_pass_and_cuts_at_its_end(proxy):
    client = Client(proxy)
    client.ask()
    with proxy.poisoned(Toxic(timeout=True)):
        client.socket.sendall(b"lost\n")
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.socket.recv(10)
    client.socket.settimeout(10)
    assert client.socket.recv(10) == b""


def test_reset_peer_is_a_reset(proxy):
    client = Client(proxy)
    client.ask()
    with proxy.poisoned(Toxic(reset_peer=True)), pytest.raises(ConnectionResetError):
        client.socket.recv(10)


def test_limit_data_cuts_after_so_many_bytes(proxy):
    client = Client(proxy)
    with proxy.poisoned(Toxic(limit_data=10)):
        assert client.ask(b"12345\n") == b"12345\n"
        with pytest.raises((ConnectionResetError, BrokenPipeError, AssertionError)):
            assert client.ask(b"1234567890\n") == b"1234567890\n"


def test_a_slicer_and_a_bandwidth_change_no_byte(proxy):
    client, line = Client(proxy), bytes(range(1, 10)) * 500 + b"\n"
    with proxy.poisoned(Toxic(slicer=7)):
        assert client.ask(line) == line
    with proxy.poisoned(Toxic(bandwidth=100_000)):
        began = time.monotonic()
        assert client.ask(line) == line
        assert time.monotonic() - began >= 0.08


def test_a_server_that_is_away_is_a_closed_connection():
    proxy = Proxy("nobody", ("127.0.0.1", free_port()))
    proxy.start()
    assert Client(proxy).socket.recv(10) == b""
    proxy.stop(5.0)
    proxy.stop(5.0)
