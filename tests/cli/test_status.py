from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import orjson
import pytest

from tests.ports import free_port
from tests.waiting import until
from workerkit.core.state import Member
from workerkit.operate import status as asking
from workerkit.state import open_state


@contextmanager
def answering(port: int, code: int, body: bytes):
    """A foreign HTTP server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_nothing_running_says_so_and_how_to_start(shop):
    answer = shop.call("status")
    assert answer.code == 0
    said = f"nothing runs on the project's ports ({shop.port}); start it: `workerkit run`\n"
    assert answer.out == said


def test_a_running_process_shows_its_workers(shop):
    shop.start(port=None)
    shop.call("publish", "orders", "--wait", "20")

    def order() -> dict:
        (process,) = shop.call("status", "--json").json["processes"]
        assert (process["service"], process["mode"]) == ("shop", "events")
        assert process["port"] == shop.port
        return process["workers"][0]

    until(lambda: order()["processed"] == 1)
    assert order()["status"] == "running"
    lines = [line.split() for line in shop.call("status").out.splitlines()]
    assert lines[1][:4] == ["shop", "events", "running", str(shop.port)]
    assert lines[4][:6] == ["order", str(shop.port), "orders", "running", "0", "1"]


def test_status_works_without_wiring_user_code(shop):
    shop.write(code="raise RuntimeError('broken')")
    assert shop.call("status").code == 0


@pytest.mark.parametrize(
    ("code", "body"),
    [(404, b"no"), (200, b'{"ok": true}'), (200, b"[]"), (200, b""), (500, b"\xff")],
)
def test_something_foreign_on_a_port_is_said_so(shop, code, body):
    with answering(shop.port, code, body):
        answer = shop.call("status")
    assert answer.code == 0
    assert f"port {shop.port} of shop events" in answer.err
    assert f"answers /health with HTTP {code}, which is not ours" in answer.err
    assert "nothing runs" in answer.out


def test_a_service_of_another_project_is_foreign(shop):
    health = {"service": "other", "mode": "events", "status": "running", "workers": []}
    with answering(shop.port, 200, orjson.dumps(health)):
        answer = shop.call("status")
    assert "is service 'other' of another project" in answer.err


def test_a_port_that_stays_silent_is_not_waited_for(shop, monkeypatch):
    monkeypatch.setattr(asking, "TIMEOUT", 0.1)
    with closing(socket.create_server(("127.0.0.1", shop.port))):
        (process,) = shop.call("status", "--json").json["processes"]
    assert process["foreign"] == "did not answer /health within 0.1 s"
    assert process["owner"].startswith("pid ")


def test_a_stopped_process_is_shown_as_it_says(shop):
    health = {"service": "shop", "mode": "cron", "status": "stopped", "workers": [3]}
    with answering(shop.port, 503, orjson.dumps(health)):
        (process,) = shop.call("status", "--json").json["processes"]
    assert (process["status"], process["workers"]) == ("stopped", [])


def announce(shop, port: int, seconds: float, pid: int = 0) -> None:
    """Say that a process runs there, for *seconds*."""
    with closing(open_state(None, shop.path / ".workerkit")) as state:
        here = socket.gethostname()
        pid = pid or os.getpid()
        state.announce(Member("one", "shop", "events", here, pid, port, time.time()), seconds)


def test_a_process_on_a_free_port_is_found_until_it_stops(shop):
    process = shop.start(port=0)
    until(lambda: shop.call("status", "--json").json["processes"])
    (found,) = shop.call("status", "--json").json["processes"]
    assert (found["service"], found["status"]) == ("shop", "running")
    assert found["port"] == process.port != shop.port
    shop.close()
    assert shop.call("status", "--json").json["processes"] == []


@pytest.mark.parametrize("seconds", [10, -10])
def test_a_process_whose_port_is_closed_is_gone(shop, seconds):
    announce(shop, free_port(), seconds)
    answer = shop.call("status", "--json").json
    assert [process["status"] for process in answer["processes"]] == ["gone"]
    assert answer["running"] is False


@pytest.mark.parametrize(("seconds", "status"), [(10, "silent"), (-10, "gone")])
def test_a_process_that_hangs_is_silent_and_gone_when_its_heartbeat_lapsed(
    shop, monkeypatch, seconds, status
):
    monkeypatch.setattr(asking, "TIMEOUT", 0.1)
    announce(shop, shop.port, seconds)
    with closing(socket.create_server(("127.0.0.1", shop.port))):
        answer = shop.call("status", "--json")
    assert [process["status"] for process in answer.json["processes"]] == [status]
    assert answer.err == ""


def test_what_else_has_taken_the_port_of_one_that_is_gone_is_nobodys_business(shop):
    port = free_port()
    announce(shop, port, -10, pid=2**22 + 1)
    with answering(port, 404, b"no"):
        answer = shop.call("status", "--json")
    assert [process["status"] for process in answer.json["processes"]] == ["gone"]


def test_a_state_that_cannot_be_read_stops_neither_a_process_nor_status(shop):
    state = shop.path / ".workerkit" / "state.db"
    state.parent.mkdir()
    state.write_bytes(b"no database, but long enough to be seen as none" * 100)
    shop.start(port=None)
    answer = shop.call("status", "--json")
    assert [process["status"] for process in answer.json["processes"]] == ["running"]
    assert answer.err.startswith(f"warning: state {state}: file is not a database; only")
