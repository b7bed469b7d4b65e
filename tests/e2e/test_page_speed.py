"""The page with a long history and many workers, measured in a real browser.

Each figure is a ratio to a peer in the same turns: a machine that is busy slows both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.browser import chromium
from tests.shops import CODE
from tests.waiting import until
from workerkit.config.settings import Environment
from workerkit.dashboard import Access, Dashboard
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.lookout import Lookout, actions_on
from workerkit.operate.status import ProcessStatus, Status, WorkerStatus
from workerkit.project import Project

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium")

HISTORY, WORKERS = 100_000, 200

BEGINNING = 500
"""Events of a topic that the page reads at its start: a history of that length is no long one."""

VISITS = 9

MOST = 2.5
"""Times the peer's median: 0.9 to 1.9 were seen at a load of 12 on two cores."""

PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
UPDATED = "performance.getEntriesByName('update').map((each) => each.duration)"

TURNS = """(() => {
    window.EventSource = function () { window.source = this; };
    follow("");
    const parts = Array.from(document.querySelectorAll('#main > [data-live]'));
    const data = JSON.stringify(Object.fromEntries(parts.map((part) => [part.id, part.innerHTML])));
    const ways = [() => window.source.onmessage({data}), () => {
        for (const [id, html] of Object.entries(JSON.parse(data))) {
            const part = document.getElementById(id);
            part.innerHTML = html;
            part.querySelectorAll('.scroll, pre').forEach((box) => box.scrollLeft);
        }
    }];
    return Array.from({length: 21}, () => ways.map((way) => {
        const began = performance.now();
        way();
        return performance.now() - began;
    }));
})()"""
"""Milliseconds of the page, and of the barest code, to put all live parts in place, in turns.

The barest code too asks how far the boxes are scrolled: most of the time goes into laying out.
"""


@dataclass(frozen=True)
class Served:
    """A page, and the project that it shows."""

    url: str
    project: Project


def publish(project: Project, *numbers: int) -> None:
    bodies = [encode(Event("orders", {"orderId": n}, source="web", time=n)) for n in numbers]
    project.transport.publish([Message("orders", body) for body in bodies])


def crowd(turn: int, workers: int) -> Status:
    """Many processes with a worker each, all of which have done something since the last turn."""
    return Status(
        tuple(
            ProcessStatus(
                f"service-{n % 20}", "events", 10_000 + n, "", "running",
                workers=(WorkerStatus(f"worker-{n}", "event", f"topic-{n % 20}", "running", turn,
                                      1.0, turn * n, 0, None, None),),
            )
            for n in range(workers)
        ),
        {},
    )  # fmt: skip


@contextmanager
def served(folder: Path, history: int, workers: int) -> Iterator[Served]:
    """A page on a project with so many events and simulated workers."""
    (folder / "crowded.py").write_text(CODE)
    turns = iter(range(1, 10**6))
    with closing(Project.open(folder, Environment(workerkit_data=None))) as project:
        lookout = Lookout(project)
        lookout.pulse._look = lambda: crowd(next(turns), workers)
        access = Access("a token that is long enough", login=False)
        server = Dashboard(lookout, actions_on(lookout), access, port=0)
        publish(project, *range(history))
        lookout.workers.start()
        server.start()
        yield Served(f"http://127.0.0.1:{server.port}", project)
        server.stop(5.0)
        lookout.workers.stop(5.0)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("crowded"), HISTORY, WORKERS) as shown:
        yield shown


@pytest.fixture(scope="module")
def quiet(tmp_path_factory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("quiet"), BEGINNING, 1) as shown:
        yield shown


VIEWS = pytest.mark.parametrize(("view", "shows"), [("/", "Show all 200"), ("/events", "web")])


@VIEWS
def test_a_long_history_and_many_workers_delay_no_page(crowded, quiet, browser, view, shows):
    tab = browser.tab()
    tab.go(quiet.url + view)
    tab.go(crowded.url + view).sees(shows)
    paints: dict[str, list[float]] = {crowded.url: [], quiet.url: []}
    for _ in range(VISITS):
        for url, taken in paints.items():
            tab.go(url + view)
            until(lambda: tab.run(PAINTED))
            taken.append(tab.run(PAINTED))
    assert median(paints[crowded.url]) < MOST * median(paints[quiet.url]), paints
    assert tab.trouble == []


@VIEWS
def test_an_update_takes_little_longer_than_the_barest_code(crowded, browser, view, shows):
    tab = browser.tab()
    tab.go(crowded.url + view).sees(shows)
    publish(crowded.project, HISTORY + 1)
    until(lambda: tab.run(UPDATED))
    page, barest = zip(*tab.run(TURNS), strict=True)
    assert median(page) < MOST * median(barest), (page, barest)
    assert tab.trouble == []
