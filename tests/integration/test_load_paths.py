"""Which paths of an OpenAPI document are asked when nobody names one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workerkit.errors import ConfigurationError
from workerkit.loadtest.paths import offered
from workerkit.loadtest.target import Target, resolve

REQUIRED, OPTIONAL = ({"name": "q", "in": "query", "required": flag} for flag in (True, False))


class _Document(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.server.body if self.path == "/openapi.json" else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    opened = ThreadingHTTPServer(("127.0.0.1", 0), _Document)
    threading.Thread(target=opened.serve_forever, daemon=True).start()
    yield opened
    opened.shutdown()
    opened.server_close()


@pytest.fixture
def target(server) -> Target:
    return resolve(f"http://127.0.0.1:{server.server_port}", {"127.0.0.1"})


def test_a_get_that_needs_nothing_is_asked(server, target):
    paths = {
        "/prices": {"get": {}},
        "/prices/{sku}": {"get": {}},
        "/orders": {"post": {}},
        "/search": {"get": {"parameters": [OPTIONAL, REQUIRED]}},
        "/stock": {"get": {"parameters": [OPTIONAL]}},
        "/odd": "no operations",
    }
    server.body = json.dumps({"paths": paths}).encode()
    assert offered(target) == ["/prices", "/stock"]


@pytest.mark.parametrize(
    ("body", "there"),
    [
        (b"no JSON", "nothing"),
        (b"[]", "nothing"),
        (json.dumps({"paths": {"/orders": {"post": {}}}}).encode(), "/orders"),
    ],
)
def test_a_document_that_offers_nothing_is_told(server, target, body, there):
    server.body = body
    with pytest.raises(ConfigurationError, match=rf"offers no GET .* \({there}\): give --path"):
        offered(target)
