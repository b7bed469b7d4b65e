"""Real faults in real workers: each alert arrives at a webhook, and is taken back.

With `--alerts-table FILE` every fault is tried alone, and what was measured is
written down; without it those that do not get in each other's way are tried at
once, and the slowest are left out. An hour of the rules lasts a minute here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests import trap
from tests.monitoring import ALERTS, FASTER, Monitoring, eventually
from tests.ports import free_port
from tests.redis_process import RedisProcess
from tests.started import Place, Started, ask
from tests.waiting import until
from workerkit.operate.board import board

UNUSUAL = ("redeliveries", "missed", 'outcome=~"failed', "ALERTS")
"""Parts of the dashboard's queries that find nothing as long as nothing goes wrong."""

TABLE = Path(__file__).parents[2] / "docs" / "alerts.md"

needs_prometheus = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("prometheus-alertmanager")),
    reason="no Prometheus or Alertmanager is installed",
)


class World:
    """The trap's three processes over a Redis of their own, and what is done to them."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder)
        self.place.write("workerkit.toml", trap.TOML)
        self.place.write("trap.py", trap.CODE)
        (folder / "switches").mkdir()
        self.redis = RedisProcess("--appendfsync", "always", appendonly=True).start()
        self.settings = {"REDIS_URL": self.redis.url, "WORKER_LEASE": "2"}
        self.ports = {mode: free_port() for mode in ("events", "cron", "api")}
        self.running: dict[str, Started] = {}
        for mode in self.ports:
            self.begin(mode)
        for started in self.running.values():
            started.says("running on port")

    def start(self, mode: str) -> None:
        self.begin(mode)
        self.running[mode].says("running on port")

    def begin(self, mode: str) -> None:
        words = ("run", "pricing", f"--mode={mode}", f"--port={self.ports[mode]}")
        lanes = ("--concurrency=1",) if mode == "events" else ()
        self.running[mode] = self.place.start(*words, *lanes, **self.settings)

    def kill(self, mode: str) -> None:
        self.running[mode].process.kill()
        self.running[mode].process.wait(20)

    def call(self, *words: str) -> str:
        code, said = self.place.call(*words, **self.settings)
        assert code == 0, said
        return said

    def publish(self, do: str, count: int = 1, topic: str = "orders") -> None:
        self.call("publish", topic, "--data", json.dumps({"do": do}), f"--count={count}")

    def switch(self, name: str, on: bool) -> None:
        path = self.place.folder / "switches" / name
        path.touch() if on else path.unlink()

    def request(self, path: str, method: str = "GET") -> None:
        url = f"http://127.0.0.1:{self.ports['api']}{path}"
        try:
            urlopen(Request(url, method=method), timeout=10).close()
        except HTTPError as error:
            error.close()

    def close(self) -> None:
        self.place.close()
        self.redis.close()


@dataclass(frozen=True)
class Fault:
    """What is done, what alerts of it, and how it is undone; `meanwhile` is done all the time.

    Those of one `turn` are tried at once; those without one are too slow to be tried each time.
    """

    words: str
    alerts: tuple[str, ...]
    do: Callable[[World], object]
    mend: Callable[[World], object]
    meanwhile: Callable[[World], object] = lambda world: time.sleep(0.05)
    turn: int = 0


def drop_letters(world: World) -> None:
    for letter in json.loads(world.call("dlq", "list", "--json"))["letters"]:
        world.call("dlq", "drop", letter["id"], "--yes")


def restart(world: World) -> None:
    world.kill("events")
    world.start("events")


def die_over_work(world: World) -> None:
    """Its lane has taken many events that crawl, so most of them come again."""
    crawl(world)
    world.publish("crawl", 1500)
    done = ask(world.ports["events"])["workers"][0]["jobs_processed"]
    until(lambda: ask(world.ports["events"])["workers"][0]["jobs_processed"] > done)
    restart(world)


def hang(world: World) -> None:
    world.switch("hang", True)
    world.publish("hang")
    world.publish("")


def crawl(world: World) -> None:
    world.switch("crawl", True)


def hurry(world: World) -> None:
    world.switch("crawl", False)


def revive(world: World) -> None:
    if not world.redis.command("PING"):
        world.redis.start()


FAULTS = (
    Fault("the event worker is killed", ("WorkerDown",),
          lambda w: w.kill("events"), lambda w: w.start("events"), turn=3),
    Fault("Redis is killed", ("WorkerDegraded",),
          lambda w: w.redis.kill(), revive, turn=2),
    Fault("Redis is killed, and the API goes on taking orders", ("OutboxStuck",),
          lambda w: (w.redis.kill(), w.request("/orders", "POST")), revive, turn=2),
    Fault("an event whose payload is no order", ("DeadLettersPresent",),
          lambda w: w.call("publish", "orders", "--data", '{"do": 1}', "--force"),
          drop_letters, turn=1),
    Fault("a handler never returns",
          ("WorkerNotConsuming", "OldestEventTooOld", "EventAgeBudgetFast", "EventAgeBudgetSlow"),
          hang, lambda w: w.switch("hang", False), turn=1),
    Fault("handlers raise", ("WorkerFailing",),
          lambda w: (w.switch("fail", True), w.publish("fail", 20, "parcels")),
          lambda w: w.switch("fail", False), turn=1),
    Fault("handlers take 0.3 s", ("HandlerSlow",),
          lambda w: (w.switch("slow", True), w.publish("slow", 100)),
          lambda w: w.switch("slow", False)),
    Fault("more events are published than handlers can take", ("LagGrowing",),
          crawl, hurry, lambda w: w.publish("crawl", 200)),
    Fault("the worker dies over 1,500 events that it holds", ("RedeliveriesMany",),
          die_over_work, hurry),
    Fault("a handler keeps 250 MB", ("MemoryGrowing",),
          lambda w: w.publish("leak"), restart),
    Fault("a job takes longer than its period", ("CronMissed",),
          lambda w: w.switch("long", True), lambda w: w.switch("long", False), turn=1),
    Fault("a job raises", ("CronNotSucceeded",),
          lambda w: w.switch("broken", True), lambda w: w.switch("broken", False), turn=1),
    Fault("the API answers after 0.3 s", ("ApiBudgetFast", "ApiBudgetSlow"),
          lambda w: w.switch("late", True), lambda w: w.switch("late", False),
          lambda w: w.request("/prices"), turn=1),
)  # fmt: skip

FORGET_LATE = {"ApiBudgetSlow", "CronMissed", "EventAgeBudgetSlow"}
"""They look back so far that their end is waited for only where their fault is tried alone."""


@dataclass(frozen=True)
class Measured:
    """Seconds until the webhook was told of *alert*, and until it was told that it is over."""

    alert: str
    fault: str
    fires: float
    resolves: float


def play(faults: Sequence[Fault], world: World, monitoring: Monitoring) -> list[Measured]:
    """Break it all, wait for every alert, mend it all, wait for the end of every alert."""
    by_alert = {alert: fault for fault in faults for alert in fault.alerts}
    ending = by_alert.keys() - (FORGET_LATE if len(faults) > 1 else set())
    until(lambda: not monitoring.active() & by_alert.keys(), 120)

    def meanwhile() -> None:
        for fault in faults:
            fault.meanwhile(world)

    broken = time.time()
    for fault in faults:
        fault.do(world)
    eventually(meanwhile, lambda: monitoring.all_told("firing", by_alert, broken), 120)
    mended = time.time()
    for fault in faults:
        fault.mend(world)
    eventually(meanwhile, lambda: monitoring.all_told("resolved", ending, mended), 120)
    return [
        Measured(
            alert, fault.words,
            monitoring.arrived("firing", alert, broken) - broken,
            monitoring.arrived("resolved", alert, mended) - mended,
        )
        for alert, fault in by_alert.items() if alert in ending
    ]  # fmt: skip


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    opened = World(tmp_path / "trap")
    yield opened
    opened.close()


@pytest.fixture
def monitoring(world, tmp_path) -> Iterator[Monitoring]:
    started = Monitoring(tmp_path, world.ports)
    yield started
    started.close()


@needs_prometheus
@pytest.mark.timeout(1800)
def test_what_goes_wrong_arrives_at_the_webhook_and_resolves(world, monitoring, request):
    file = request.config.getoption("--alerts-table")
    together = [[fault for fault in FAULTS if fault.turn == turn] for turn in (1, 2, 3)]
    alone = [[fault] for fault in FAULTS]
    measured = [
        one for faults in (alone if file else together) for one in play(faults, world, monitoring)
    ]
    if file:
        Path(file).write_text(table(measured))
    usual = [text for text in board().exprs() if not any(part in text for part in UNUSUAL)]
    eventually(
        lambda: world.request("/prices"), lambda: all(monitoring.ask(text) for text in usual), 60
    )


def table(measured: list[Measured]) -> str:
    """The document: one line for each alert, in the order of the rules."""
    by_alert = {one.alert: one for one in measured}
    assert sorted(by_alert) == sorted(ALERTS)
    lines = [
        f"| {name} | {by_alert[name].fault} | {rule.get('for', '-')} "
        f"| {by_alert[name].fires:.1f} | {by_alert[name].resolves:.1f} |"
        for name, rule in ALERTS.items()
    ]
    return HEAD.format(faster=FASTER, cores=os.cpu_count()) + "\n".join(lines) + "\n"


HEAD = """# Alerts that were seen

Each alert of the shop's `deploy/monitoring/rules.yml`, the fault that was brought into a real
worker, job or API, and the seconds until a webhook behind a real Prometheus and Alertmanager was
told that it fires, and, from the repair on, that it is over. This file is written by

```
pytest tests/integration/test_alerts_fire.py --alerts-table docs/alerts.md
```

Every time in the rules (windows, `for`, limits in seconds) is divided by {faster} there, and it is
scraped each second, on a machine with {cores} cores: what took a second is about a minute with the
rules as they stand. An alert that looks back resolves when its shorter window has forgotten.

| alert | fault | `for` in the rules | fires after (s) | resolves after (s) |
|---|---|---|---|---|
"""


def test_the_table_has_a_line_for_each_alert():
    rows = re.findall(r"^\| (\w+) \| (.+?) \| (\S+) \|", TABLE.read_text(), re.M)
    faults = {alert: fault.words for fault in FAULTS for alert in fault.alerts}
    assert rows == [(name, faults[name], rule.get("for", "-")) for name, rule in ALERTS.items()]
