"""`deploy verify` against a deployment that answers as we say: each thing that breaks is found."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from workerkit.config.project_file import SmokeEntry
from workerkit.cron.job import CronJob
from workerkit.cron.worker import entries_of
from workerkit.errors import ConfigurationError
from workerkit.operate.smoke import METRICS, Check, Deployment, Verified, verify, watch
from workerkit.operate.targets import Target, moved

SMOKE = SmokeEntry.model_validate(
    {
        "send": {"to": "shop api", "path": "/stock", "body": {"stock": "{number}"}},
        "see": {"at": "shop api", "path": "/price", "field": "stock"},
        "within": 0.2,
    }
)


class SyncJob(CronJob):
    schedule = "* * * * *"

    def run(self, context):
        """Nothing: it is only looked at."""


class World:
    """Two processes, api and all, in one server; *paths* answer in place of what is usual."""

    def __init__(self) -> None:
        self.now = time.time()
        self.api = {"service": "shop", "mode": "api", "status": "running", "workers": [], "dead": 0}
        job = {"name": "shop/sync", "kind": "cron", "last_success_at": moment(self.now - 30)}
        started = moment(self.now - 600)
        self.all = {**self.api, "mode": "all", "workers": [job], "started_at": started}
        self.job = job
        self.metrics = list(METRICS)
        self.stock = 5
        self.deaf = False
        self.status: dict[str, int] = {}
        self.asked: list[str] = []
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer(world.get(self.path))

            def do_POST(self):
                given = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
                if not world.deaf:
                    world.stock = given["stock"]
                self._answer(b"{}")

            def _answer(self, body: bytes):
                self.send_response(world.status.get(self.path, 200))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{self.server.server_port}"
        self.targets = [Target("shop", "api", f"{url}/api"), Target("shop", "all", f"{url}/all")]

    def get(self, path: str) -> bytes:
        self.asked.append(path)
        if path == "/all/metrics":
            return "".join(f"# TYPE {name} counter\n" for name in self.metrics).encode()
        if path == "/api/price":
            return orjson.dumps({"stock": self.stock})
        return orjson.dumps(self.api if path.startswith("/api") else self.all)

    def deployment(self, smoke: SmokeEntry | None = SMOKE) -> Deployment:
        jobs = entries_of("shop", [SyncJob()])
        return Deployment(self.targets, jobs, {"shop": ["/price"]}, 0.15, smoke)

    def broken(self, **changes) -> dict[str, str]:
        """What fails, with what was seen."""
        found = verify(self.deployment(**changes), lambda check: None)
        return {check.name: check.seen for check in found if check.holds is False}


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.fixture
def world() -> Iterator[World]:
    opened = World()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


def test_all_is_well_and_each_check_is_told_when_it_is_made(world):
    told: list[Check] = []
    found = verify(world.deployment(), told.append)
    assert Verified(0.0, 0.0, (), found).result == "pass", found
    assert tuple(told) == found
    names = [check.name for check in found]
    assert names == [
        "shop api: health", "shop all: health", "shop all: metrics", "shop/sync",
        "an event from end to end", "shop api: p95", "no new dead letters",
    ]  # fmt: skip


def test_the_number_may_be_a_word_of_a_text(world):
    body = {"stock": "level {number}", "at": "{numbers}"}
    send = SMOKE.send.model_copy(update={"body": body})
    found = verify(world.deployment(SMOKE.model_copy(update={"send": send})), lambda check: None)
    assert all(check.holds for check in found), found
    assert re.fullmatch(r"level \d{3,4}", world.stock)


def stop_worker(world):
    world.all["status"] = "stopped"


def trouble(world):
    world.all["status"] = "degraded"
    world.job["trouble"] = "the database does not answer"


def not_separated(world):
    world.api["mode"] = "inline"


def other_server(world):
    world.status["/all/health"] = 404


def lose_metric(world):
    world.metrics.remove("worker_errors_total")


def old_success(world):
    world.job["last_success_at"] = moment(world.now - 200)


def never_succeeded(world):
    world.job["last_success_at"] = None


def go_deaf(world):
    world.deaf = True


def refuse_event(world):
    world.status["/api/stock"] = 503


def fail_api(world):
    world.status["/api/price"] = 500


@pytest.mark.parametrize(
    ("fault", "name", "seen"),
    [
        (stop_worker, "shop all: health", "stopped"),
        (trouble, "shop all: health", "degraded, the database does not answer"),
        (not_separated, "shop api: health", "is shop inline, running"),
        (other_server, "shop all: health", "HTTP 404"),
        (lose_metric, "shop all: metrics", "without worker_errors_total"),
        (old_success, "shop/sync", "and has not succeeded since"),
        (never_succeeded, "shop/sync", "and has not succeeded since"),
        (go_deaf, "an event from end to end", "after 0.2 s shop api shows 5"),
        (refuse_event, "an event from end to end", "shop api /stock: HTTP 503"),
        (fail_api, "shop api: p95", "40 of 40 failed: HTTP 500"),
    ],
)
def test_what_breaks_is_named_with_what_was_seen(world, fault, name, seen):
    fault(world)
    broken = world.broken()
    assert seen in broken[name]
    assert len(broken) == 1 or fault is fail_api


def test_a_number_that_was_there_before_proves_nothing(world, monkeypatch):
    monkeypatch.setattr("secrets.randbelow", lambda most: 50)
    world.stock, world.deaf = 150, True
    assert "151 sent to shop api" in world.broken()["an event from end to end"]


def test_a_slow_api_is_told_with_its_limit(world):
    slow = Deployment(world.targets, {}, {"shop": ["/price"]}, 1e-9, None)
    (p95,) = [check for check in verify(slow, lambda c: None) if check.name == "shop api: p95"]
    assert p95.holds is False and "must be below 0 ms" in p95.seen


def test_letters_that_come_while_it_looks_are_told(world):
    def told(check: Check) -> None:
        world.all["dead"] = world.api["dead"] = 2

    found = verify(world.deployment(), told)
    assert found[-1] == Check("no new dead letters", False, "shop has 2")


def test_what_cannot_be_tried_is_not_proven(world):
    for smoke in (None, SMOKE.model_copy(update={"send": SMOKE.send.model_copy(
        update={"to": "elsewhere api"})})):  # fmt: skip
        found = verify(world.deployment(smoke), lambda check: None)
        assert Verified(0.0, 0.0, (), found).result == "not proven"
        assert [check.holds for check in found if check.name.startswith("an event")] == [None]


def test_a_process_that_is_not_there_is_told_by_its_address(world):
    world.targets[1] = Target("shop", "all", "http://127.0.0.1:1")
    broken = world.broken()
    assert broken["shop all: health"] == "http://127.0.0.1:1/health: connection refused"
    assert broken["shop all: metrics"] == "connection refused"


def test_watching_ends_when_something_stays_broken(world):
    looks: list[int] = []

    def tell(seconds: float, broken) -> None:
        looks.append(len(broken))
        if len(looks) == 2:
            stop_worker(world)

    began = time.monotonic()
    found = watch(world.deployment(), 60.0, 0.01, threading.Event(), tell)
    assert time.monotonic() - began < 20
    assert looks == [0, 0, 1, 1], "one look may fail: a process was replaced"
    assert [(c.name, c.holds) for c in found] == [
        ("shop all: health", False), ("watched for 60 s", None)
    ]  # fmt: skip


def test_watching_goes_on_after_one_bad_look_and_tries_everything_at_its_end(world):
    looks: list[int] = []

    def tell(seconds: float, broken) -> None:
        looks.append(len(broken))
        world.all["status"] = "stopped" if len(looks) == 1 else "running"

    found = watch(world.deployment(), 1.5, 0.05, threading.Event(), tell)
    assert looks[:3] == [0, 1, 0] and not any(looks[3:])
    assert Verified(0.0, 0.0, (), found).result == "pass", found
    assert found[0].name == "watched for 1.5 s" and len(found) == 8


def test_watching_that_is_interrupted_proves_nothing(world):
    stop = threading.Event()
    found = watch(world.deployment(), 60.0, 0.01, stop, lambda seconds, broken: stop.set())
    assert [check.holds for check in found] == [None]


def test_processes_elsewhere_are_asked_there():
    there = [Target("a", "api", "http://127.0.0.1:8001"), Target("a", "cron", "http://127.0.0.1:3")]
    found = moved(there, ["a cron=https://other:9/"])
    assert [target.url for target in found] == ["http://127.0.0.1:8001", "https://other:9"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("a crn=http://x:1", "did you mean 'a cron'"), ("a cron", "must be NAME=http://HOST:PORT"),
     ("a cron=x:1", "must be NAME=http://HOST:PORT")],
)  # fmt: skip
def test_an_address_that_cannot_be_meant_is_refused(text, said):
    with pytest.raises(ConfigurationError, match=said):
        moved([Target("a", "cron", "http://127.0.0.1:3")], [text])
