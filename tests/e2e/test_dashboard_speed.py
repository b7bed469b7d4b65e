"""The page with a long history and many workers, measured in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.browser import Browser, chromium
from tests.shops import CODE
from tests.started import until
from workerkit.config.settings import Environment
from workerkit.dashboard import Access, Dashboard
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.lookout import Lookout, actions_on
from workerkit.operate.status import ProcessStatus, Status, WorkerStatus
from workerkit.project import Project

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium")

HISTORY, WORKERS = 100_000, 200

PAINT, UPDATE = 1000.0, 100.0
"""Milliseconds until something is to be seen, and that a change may take."""


def crowd(turn: int) -> Status:
    """Many processes with a worker each, all of which have done something since the last turn."""
    return Status(
        tuple(
            ProcessStatus(
                f"service-{n % 20}", "events", 10_000 + n, "", "running",
                workers=(WorkerStatus(f"worker-{n}", "event", f"topic-{n % 20}", "running", turn,
                                      1.0, turn * n, 0, None, None),),
            )
            for n in range(WORKERS)
        ),
        {},
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[str]:
    """A page on a project with a long history and simulated workers."""
    folder = tmp_path_factory.mktemp("crowded")
    (folder / "crowded.py").write_text(CODE)
    turns = iter(range(1, 10**6))
    with closing(Project.open(folder, Environment(workerkit_data=None))) as project:
        project.transport.publish(
            [Message("orders", encode(Event("orders", {"orderId": n}, source="web", time=float(n))))
             for n in range(HISTORY)]
        )  # fmt: skip
        lookout = Lookout(project)
        lookout.pulse._look = lambda: crowd(next(turns))
        access = Access("a token that is long enough", login=False)
        server = Dashboard(lookout, actions_on(lookout), access, port=0)
        lookout.workers.start()
        server.start()
        yield f"http://127.0.0.1:{server.port}"
        server.stop(5.0)
        lookout.workers.stop(5.0)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


@pytest.mark.parametrize(("view", "shows"), [("/", "140 more"), ("/events", "web")])
def test_a_long_history_and_many_workers_cost_no_patience(
    page, browser, view, shows, record_property
):
    tab = browser.tab()
    tab.go(page + view).sees(shows)
    painted = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    until(lambda: tab.run(painted))
    updates = "performance.getEntriesByName('update').map((each) => each.duration)"
    until(lambda: len(tab.run(updates)) >= (3 if view == "/" else 1))
    paint, times = tab.run(painted), sorted(tab.run(updates))
    assert paint < PAINT, f"first paint after {paint:.0f} ms"
    assert times[len(times) // 2] < UPDATE, f"updates took {times} ms"
    record_property("first_paint_ms", paint)
    record_property("updates_ms", times)
    assert tab.trouble == []
