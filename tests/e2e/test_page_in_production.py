"""`workerkit dashboard`, as a process of its own beside workers."""

from __future__ import annotations

import re
import signal
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlencode

import pytest

from tests.shops import CODE
from tests.started import Place
from tests.waiting import until

TOML = """
[services.shop]
wire = "app:wire"
ports = { events = 0 }
"""


@pytest.fixture
def place(place) -> Place:
    place.write("app.py", CODE)
    place.write("workerkit.toml", TOML)
    return place


class Page:
    """What a browser does, by hand."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self._port = port
        self._cookie = ""

    def ask(self, method: str, path: str, **form: str) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=20)
        headers = {"cookie": self._cookie, "origin": self.origin}
        connection.request(method, path, urlencode(form) if form else None, headers)
        answer = connection.getresponse()
        self._cookie = (answer.headers["set-cookie"] or self._cookie).partition(";")[0]
        return answer

    def text(self, path: str) -> str:
        return self.ask("GET", path).read().decode()


def test_it_looks_alone_behind_the_token_that_it_prints_and_hides_fields(place):
    place.start("run", "shop", "--mode=events", "--port=0").says("running on port")
    started = place.start("dashboard", "--port=0", "--mask=orderId").says("dashboard: http")
    token = re.search(r"^token, until it ends: (\S+)$", started.said, re.M)[1]
    page = Page(int(re.search(r"dashboard: http://127.0.0.1:(\d+)", started.said)[1]))
    assert page.ask("GET", "/events").status == 303
    assert page.ask("POST", "/login", token=token).status == 303
    place.call("publish", "orders", "--data", '{"orderId": 98765}', "--id=one")
    until(lambda: "applied" in page.text("/events"))
    assert "98765" not in page.text("/events") + page.text("/events/one")
    assert "read only" in page.text("/")
    assert "/do/" not in page.text("/events/one")
    assert page.ask("POST", "/do/replay-all", form="none").status == 403
    assert started.signal(signal.SIGTERM) == 0


def test_what_it_cannot_start_with_is_one_line(place):
    for arguments, variables, said in [
        ((), {"WORKERKIT_DASHBOARD_TOKEN": "short"}, "token has 5 characters, needs 16 or more"),
        (("--url=example",), {}, "--url 'example': must be like https://workers.example.com"),
        (("--local", "--host=0.0.0.0"), {}, "only this machine may see it without login"),
    ]:
        code, text = place.call("dashboard", "--port=0", *arguments, **variables)
        assert (code, text.count("\n")) == (2, 1), text
        assert said in text
