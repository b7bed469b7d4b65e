from __future__ import annotations

import socket
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import orjson
import pytest

from tests.shops import until
from workerkit.operate import status as asking


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
