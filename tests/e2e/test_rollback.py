"""The workers go back into the API's process and out again, while events are published."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.request import urlopen

import pytest

from tests.e2e.test_kill import nothing_left, prove_exactly_once
from tests.processes import Folder, Running, message
from tests.waiting import until

SERVICE = 'Service("app", events=[OrderWorker()], migrate=migrate)'
WITH_API = """Service("app", events=[OrderWorker()], migrate=migrate, api=api)


def api():
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    return Starlette(routes=[Route("/", lambda request: PlainTextResponse("here"))])
"""


class Publisher:
    """Publishes ten events every 20 ms until it is told that it is enough."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.published = 0
        self.enough = threading.Event()

    def publish(self) -> None:
        with closing(self.folder.broker()) as broker:
            while not self.enough.wait(0.02):
                broker.publish([message(self.published + each) for each in range(10)])
                self.published += 10


@contextmanager
def publishing(folder: Folder) -> Iterator[Publisher]:
    publisher = Publisher(folder)
    thread = threading.Thread(target=publisher.publish)
    thread.start()
    try:
        yield publisher
        assert thread.is_alive(), "publishing failed"
    finally:
        publisher.enough.set()
        thread.join(30)


@pytest.fixture
def folder(tmp_path, redis_url) -> Iterator[Folder]:
    """A service with an API and an event worker, on Redis."""
    opened = Folder(tmp_path, redis_url)
    app = opened.path / "app.py"
    assert SERVICE in app.read_text()
    app.write_text(app.read_text().replace(SERVICE, WITH_API))
    yield opened
    opened.close()


def start(folder: Folder, mode: str) -> Running:
    return folder.run(f"--mode={mode}").ready()


def answers(running: Running) -> bool:
    port = running.said.partition(": running on port ")[2].partition(",")[0]
    with urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return answer.read() == b"here"


def goes_on(folder: Folder) -> None:
    """Whoever runs now applies events."""
    before = len(folder.ledger())
    until(lambda: len(folder.ledger()) > before)


def test_there_and_back_while_events_flow_loses_nothing_and_doubles_nothing(folder):
    api, worker = start(folder, "api"), start(folder, "events")
    with publishing(folder) as publisher:
        goes_on(folder)
        assert answers(api)

        assert [worker.stop(), api.stop()] == [0, 0]
        inline = start(folder, "inline")
        goes_on(folder)
        assert answers(inline)

        worker = start(folder, "events")
        goes_on(folder)
        assert inline.stop() == 0
        api = start(folder, "api")
        goes_on(folder)
        assert answers(api)
    until(lambda: nothing_left(folder), 60)
    assert [worker.stop(), api.stop()] == [0, 0]
    prove_exactly_once(folder, publisher.published)
