"""Who gets into the dashboard, and what nobody gets."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from starlette.testclient import TestClient

from workerkit.dashboard import Access, Actions, dashboard_app
from workerkit.dashboard.app import VIEWS
from workerkit.dashboard.masking import Masks
from workerkit.dashboard.model import (
    Draft,
    EventLine,
    Letters,
    Overview,
    Step,
    Story,
    Stream,
    Trials,
)  # fmt: skip
from workerkit.errors import ConfigurationError, StorageError

TOKEN = "a token of enough length"
HERE = "http://127.0.0.1:8080"
EVIL = "<script>hacked</script>"
EVENT = EventLine(EVIL, "one", EVIL, 1.0, EVIL, "dead", {EVIL: EVIL, "email": "a@b.example"}, "")


class Looked:
    """A project in which every text is a script."""

    name = EVIL

    def overview(self) -> Overview:
        raise StorageError(EVIL)

    def stream(self, topic: str) -> Stream:
        return Stream((EVENT,), (EVIL,), topic, 400.0)

    def story(self, id: str, source: str) -> Story | None:
        step = Step(EVIL, 1.0, 2.0, "bad", f"{EVIL} a@b.example", "", f"a@b.example {EVIL}")
        return Story(EVENT, (step,), (), True) if id == "one" else None

    def letters(self, parked: bool) -> Letters:
        return Letters((), 0, parked)

    def trials(self) -> Trials:
        return Trials(None, (), (), ())

    def topics(self) -> list[str]:
        return [EVIL]

    def draft(self, topic: str) -> Draft:
        schema = {"type": "object", "properties": {EVIL: {"type": "string", "description": EVIL}}}
        return Draft(topic, schema, {EVIL: EVIL}, (EVIL,), EVIL)


@pytest.fixture
def done() -> list[tuple[str, tuple[Any, ...]]]:
    """What actions were called, with what."""
    return []


@pytest.fixture
def client(done) -> Iterator[TestClient]:
    yield served(done)


def served(
    done: list[Any], *, login: bool = True, act: bool = True, url: str | None = None
) -> TestClient:
    def note(name: str) -> Any:
        return lambda *given: done.append((name, given)) or f"did {name}"

    actions = Actions(**{each.name: note(each.name) for each in fields(Actions)}) if act else None
    app = dashboard_app(Looked(), actions, Access(TOKEN, login=login, url=url),
                        masks=Masks(["email"]), closing=closed())  # fmt: skip
    return TestClient(app, base_url=HERE, follow_redirects=False)


def closed() -> threading.Event:
    """Streams of changes end after their first event."""
    event = threading.Event()
    event.set()
    return event


def log_in(client: TestClient, token: str = TOKEN, **headers: str) -> Any:
    return client.post("/login", data={"token": token}, headers={"origin": HERE, **headers})


def form_of(client: TestClient, path: str = "/events/one") -> str:
    return re.search(r'name="form" value="([0-9a-f]{64})"', client.get(path).text)[1]


@pytest.mark.parametrize("path", [*VIEWS, *(f"/live{path}" for path in VIEWS)])
def test_without_the_token_nothing_is_shown(client, path):
    answer = client.get(re.sub(r"\{.*\}", "one", path))
    assert (answer.status_code, answer.text) in ((303, ""), (401, ""))


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + " ", "ü"])
def test_a_wrong_token_opens_nothing_and_costs_a_second(client, monkeypatch, token):
    waits = []

    async def at_once(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("workerkit.dashboard.app.asyncio.sleep", at_once)
    assert log_in(client, token).status_code == 401
    assert waits == [1.0]
    assert client.get("/events").status_code == 303


def test_the_token_opens_the_page_and_is_in_no_address(client):
    answer = log_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert TOKEN not in str(answer.headers)
    told = answer.headers["set-cookie"].lower()
    assert "httponly" in told
    assert "samesite=strict" in told
    assert client.get("/events").status_code == 200


def test_behind_https_the_cookie_is_for_https_alone(done):
    client = served(done, url="https://workers.example.com")
    origin = "https://workers.example.com"
    answer = log_in(client, origin=origin, host="workers.example.com")
    assert answer.status_code == 303
    assert "secure" in answer.headers["set-cookie"].lower()


def cookie_of(client: TestClient) -> tuple[str, str]:
    ((name, session),) = client.cookies.items()
    client.cookies.clear()
    return name, session


def asked_with(client: TestClient, name: str, session: str) -> int:
    headers = {"cookie": f"{name}={session}".encode()}
    return client.get("/events", headers=headers).status_code


@pytest.mark.parametrize(
    "forge",
    [
        lambda session: session[:-1] + ("0" if session[-1] != "0" else "1"),
        lambda session: "9" + session,
        lambda session: "",
        lambda session: "a.b.c",
        lambda session: "ü.ü.ü",
    ],
)
def test_a_forged_session_is_none(client, forge):
    log_in(client)
    name, session = cookie_of(client)
    assert asked_with(client, name, session) == 200
    assert asked_with(client, name, forge(session)) == 303


@pytest.mark.parametrize(("later", "status"), [(11.9 * 3600, 200), (12.1 * 3600, 303), (-60, 303)])
def test_a_session_lasts_twelve_hours(client, monkeypatch, later, status):
    log_in(client)
    name, session = cookie_of(client)
    born = int(session.partition(".")[0])
    monkeypatch.setattr("workerkit.dashboard.access.time.time", lambda: born + later)
    assert asked_with(client, name, session) == status


def test_logging_out_needs_a_form_of_ours_and_ends_the_session(client):
    log_in(client)
    form = form_of(client)
    assert client.post("/logout", headers={"origin": HERE}).status_code == 403
    assert client.post("/logout", data={"form": form}, headers={"origin": HERE}).status_code == 303
    assert client.get("/events").status_code == 303


@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://evil.example", "http://127.0.0.1:9999", "https://127.0.0.1:8080",
     "http://127.0.0.1:8080.evil.example"],
)  # fmt: skip
def test_a_form_of_another_origin_does_nothing(client, done, origin):
    log_in(client)
    form = form_of(client)
    headers = {"origin": origin} if origin else {}
    answer = client.post("/do/replay-all", data={"form": form}, headers=headers)
    assert (answer.status_code, done) == (403, [])


def test_a_form_without_its_secret_does_nothing(client, done):
    log_in(client)
    for data in ({}, {"form": ""}, {"form": "0" * 64}, {"form": "ü"}):
        answer = client.post("/do/replay-all", data=data, headers={"origin": HERE})
        assert (answer.status_code, done) == (403, [])


def test_a_form_of_ours_does_what_it_says_and_comes_back(client, done):
    log_in(client)
    headers = {"origin": HERE, "referer": f"{HERE}/cron?x=1"}
    data = {"form": form_of(client), "job": "shop/report"}
    answer = client.post("/do/pause", data=data, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/cron?x=1")
    assert done == [("pause", ("shop/report",))]
    assert "did pause" in client.get("/events").text
    assert "did pause" not in client.get("/events").text


def test_what_came_from_elsewhere_goes_to_the_first_page(client):
    log_in(client)
    form = form_of(client)
    headers = {"origin": HERE, "referer": "http://evil.example//evil.example/x"}
    answer = client.post("/do/pause", data={"form": form, "job": "j"}, headers=headers)
    assert answer.headers["location"] == "/"


def test_an_unknown_action_and_a_form_without_its_field_are_told(client, done):
    log_in(client)
    form = form_of(client)
    headers = {"origin": HERE}
    assert client.post("/do/format", data={"form": form}, headers=headers).status_code == 404
    client.post("/do/pause", data={"form": form}, headers=headers)
    assert "the form has no &#x27;job&#x27;" in client.get("/events").text
    assert done == []


def test_a_page_that_may_only_look_has_no_forms_and_takes_none(done):
    client = served(done, act=False)
    log_in(client)
    for path in ("/events/one", "/publish", "/trials", "/letters"):
        text = client.get(path).text
        assert "/do/" not in text
        assert "read only" in text
    answer = client.post("/do/replay-all", data={"form": form_of(client)},
                         headers={"origin": HERE})  # fmt: skip
    assert (answer.status_code, done) == (403, [])


def test_a_local_page_needs_no_login_and_the_same_proof(done):
    client = served(done, login=False)
    headers = {"origin": HERE}
    assert client.post("/do/replay-all", headers=headers).status_code == 403
    form = form_of(client)
    assert client.post("/do/replay-all", data={"form": form}, headers=headers).status_code == 303
    assert done == [("replay_all", ())]


def test_another_host_is_refused(client):
    for host in ("evil.example", "127.0.0.1.evil.example"):
        answer = client.get("/login", headers={"host": host})
        assert answer.status_code == 403
        assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("path", ["/", "/events", "/events/one", "/publish", "/nowhere", "/login"])
def test_every_text_is_escaped_and_no_script_of_the_page_is_inline(client, path):
    log_in(client)
    answer = client.get(path)
    assert EVIL not in answer.text
    assert re.findall(r"<script[^>]*>", answer.text) == re.findall(
        r'<script src="/static/page.js\?[0-9a-f]+" defer>', answer.text
    )
    assert not re.search(r"\s(style|on\w+)=", answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_changes_are_escaped_and_masked_as_the_page_is(client):
    log_in(client)
    for path in ("/events/one", "/live/events/one", "/events", "/live/events"):
        text = client.get(path).text
        assert "&lt;script&gt;hacked" in text
        assert EVIL not in text
        assert "a@b.example" not in text


def test_trouble_is_shown_in_place_of_the_view(client):
    log_in(client)
    answer = client.get("/")
    assert answer.status_code == 503
    assert "&lt;script&gt;hacked" in answer.text


def test_a_sample_says_that_it_is_one(client):
    log_in(client)
    assert "More than 400 events a second: this is a sample" in client.get("/events").text


def test_a_body_that_is_too_large_is_refused(client):
    log_in(client)
    answer = client.post("/do/publish", content=b"x" * (2**20 + 1), headers={"origin": HERE})
    assert answer.status_code == 413


def test_only_files_of_ours_are_served(client):
    for name in ("page.css", "page.js", "icon.svg"):
        assert client.get(f"/static/{name}").status_code == 200
    for name in ("..%2fapp.py", "app.py", "../app.py"):
        assert client.get(f"/static/{name}").status_code == 404


@pytest.mark.parametrize("token", ["", "short"])
def test_a_token_that_could_be_guessed_is_refused(token):
    with pytest.raises(ConfigurationError, match="needs 16 or more"):
        Access(token)


@pytest.mark.parametrize("url", ["workers.example.com", "ftp://x", "https://", "", "http://["])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ConfigurationError, match="must be like https"):
        Access(TOKEN, url=url)
