"""The checklist on a shop where all is done: each item turns red when its cause is broken."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from typing import Any

import pytest

from tests.acceptance_world import SHOP, World
from workerkit.acceptance.checklist import tick
from workerkit.acceptance.drawing import drift
from workerkit.acceptance.items import DAYS, PERSONAL
from workerkit.config.settings import Environment
from workerkit.operate.checklist import Checklist
from workerkit.operate.deploy import FIELDS
from workerkit.project import Project

Break = Callable[[World], AbstractContextManager[Any]]

COMPOSE, DOCKERFILE = "docker-compose.yml", "Dockerfile"
RULES, RULES_TEST = "deploy/monitoring/rules.yml", "deploy/monitoring/rules.test.yml"
PLAN, RUNBOOK = "docs/WORKERS_DEPLOYMENT_PLAN.md", "docs/WORKERS_RUNBOOK.md"


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        # Who listens on a port takes most of a look's time, and is no part of it.
        patch.setattr("workerkit.operate.status.port_owner", lambda port: "")
        opened = World(tmp_path_factory.mktemp("checklist") / "shop")
        yield opened
        opened.close()


def edit(name: str, pattern: str, new: str) -> Break:
    """A file in which every *pattern* is something else."""
    return lambda world: world.file(name, lambda text: re.sub(pattern, new, text))


def gone(name: str) -> Break:
    return lambda world: world.file(name, None)


def memory(**changes: Any) -> Break:
    return lambda world: world.remembered(**changes)


def sql(service: str, do: str, undo: str) -> Break:
    """Rows of a service's database that are otherwise for a while."""

    @contextmanager
    def changed(world: World) -> Iterator[None]:
        for statement, done in ((do, False), (undo, True)):
            if done:
                yield
            file = world.folder / ".workerkit" / f"{service}.db"
            with closing(sqlite3.connect(file, timeout=10)) as db, db:
                assert db.execute(statement).rowcount > 0, statement

    return changed


def together(*breaks: Break) -> Break:
    @contextmanager
    def all_of_them(world: World) -> Iterator[None]:
        with ExitStack() as stack:
            for each in breaks:
                stack.enter_context(each(world))
            yield

    return all_of_them


@contextmanager
def taken_in(world: World) -> Iterator[None]:
    """Catalog's API runs the jobs, too."""
    world.stop("catalog", "api")
    world.start("catalog", "inline")
    world.work("catalog", "inline")
    try:
        yield
    finally:
        world.stop("catalog", "inline")
        world.start("catalog", "api")


@contextmanager
def failed_tests(world: World) -> Iterator[None]:
    file = world.folder / ".pytest_cache" / "v" / "cache" / "lastfailed"
    file.write_text('{"tests/test_rules.py::test_a": true}')
    try:
        yield
    finally:
        file.unlink()


RUNS = "UPDATE workerkit_runs SET state = '{}' WHERE job = '{}'"
JOB_FAILED = [RUNS.format(state, "pricing/price_sync") for state in ("failed", "succeeded")]
SYNC_TIMED_OUT = [RUNS.format(state, "catalog/stock_sync") for state in ("timed_out", "succeeded")]
NOT_APPLIED = [f"UPDATE workerkit_inbox SET state = '{s}'" for s in ("parked", "applied")]
BURY = ("INSERT INTO workerkit_parked VALUES "
        "('pricing/a', 's', 'i', 't', '', 1, 'e', '', 0, 1, 0, 0)",
        "DELETE FROM workerkit_parked")  # fmt: skip

CODE: dict[str, tuple[Break, set[str]]] = {
    "pricing cannot be wired": (
        edit("pricing/wire.py", r"PricingUseCase\(\)", "PricingUseCase(1)"),
        {"day1.wired"},
    ),
    "catalog cannot be wired": (
        edit("catalog/wire.py", r"StockCache\(", "Nothing("),
        {"day3.wired"},
    ),
    "a module is no Python": (
        edit("warehouse/use_case.py", r"\Z", "def f(:\n"),
        {"day1.readable"},
    ),
    "no event worker": (
        edit("pricing/wire.py", r"(?s)events=\[.*?\n        \],", ""),
        {"day1.events"},
    ),
    "no job": (
        edit("pricing/wire.py", r"(?s)cron=\[.*?\n        \],", ""),
        {"day2.jobs"},
    ),
    "no entry point": (
        edit("pricing/worker/__main__.py", '"pricing"', '"pricng"'),
        {"day1.entry"},
    ),
    "no entry point of catalog": (gone("catalog/worker/__main__.py"), {"day3.entry"}),
    "one attempt": (
        edit("pricing/worker/event/stock_updated.py", "attempts=10", "attempts=1"),
        {"day1.retry"},
    ),
    "a job without a timeout": (
        edit("pricing/worker/cron/price_sync.py", "timeout = 240.0", "pass"),
        {"day2.timeouts"},
    ),
    "a schedule that no document has": (
        edit("catalog/worker/cron/stock_sync.py", "@yearly", "@monthly"),
        {"day5.architecture", "success.documents"},
    ),
    "code that was never measured": (
        edit("pricing/rules.py", r"\Z", "# new\n"),
        {
            "day1.once", "day1.order", "day1.unreadable", "day1.drain", "day2.ticks", "day3.load",
            "day3.usage", "day4.flow", "day4.kill-worker", "day4.kill-cron", "day4.lose-db",
            "day4.lose-broker", "day4.faults", "day4.load", "day4.events", "day4.soak",
            "day5.tests", "day5.smoke", "day5.watched", "day5.rollback", "success.throughput",
            "success.latency", "success.no-worse", "success.leaks", "success.graceful",
            "success.restart", "success.scale", "success.downtime", "success.nothing-lost",
            "success.usage",
        },
    ),
}  # fmt: skip
"""Changes of the code turn what was measured red, too: these are among those that do."""

EVERY_VERDICT = {"day4.faults", "success.nothing-lost"}

OTHERS: dict[str, tuple[Break, set[str]]] = {
    "a worker without a test": (
        edit("tests/test_stock_updated.py", "StockUpdatedWorker", "Other"),
        {"day1.tested", "day5.tests"},
    ),
    "catalog's job without a test": (
        edit("tests/test_jobs.py", "StockSyncJob", "Other"),
        {"day3.tested", "day5.tests"},
    ),
    "nothing settled": (sql("pricing", *NOT_APPLIED), {"day1.settled"}),
    "a dead letter": (sql("pricing", *BURY), {"day1.letters"}),
    "a job that failed": (
        sql("pricing", *JOB_FAILED),
        {"day2.ran", "day4.cron", "success.in-time"},
    ),
    "a job that was cut off": (
        sql("catalog", *SYNC_TIMED_OUT),
        {"day3.ran", "day4.cron", "success.in-time"},
    ),
    "a Dockerfile that runs as root": (edit(DOCKERFILE, "USER 10001", ""), {"day1.dockerfile"}),
    "no health check": (
        edit(DOCKERFILE, "HEALTHCHECK CMD true", ""),
        {"day1.dockerfile", "day2.checked"},
    ),
    "no compose file": (
        gone(COMPOSE),
        {"day1.images", "day2.containers", "day2.api", "day2.limits", "day2.restarts",
         "day2.checked", "day2.compose", "day2.up", "day3.containers", "day3.api", "day3.limits",
         "day3.restarts", "day3.up"},
    ),
    "pricing's worker has no container": (
        edit(COMPOSE, "pricing-events:", "other-events:"), {"day2.containers"},
    ),
    "catalog's worker has no container": (
        edit(COMPOSE, "catalog-cron:", "other-cron:"),
        {"day3.containers", "day3.limits", "day3.restarts"},
    ),
    "APIs that run workers": (
        edit(COMPOSE, "WORKER_MODE: api", "WORKER_MODE: inline"),
        {"day2.containers", "day3.containers", "day2.api", "day3.api"},
    ),
    "no limits": (edit(COMPOSE, "mem_limit: 256m", ""), {"day2.limits", "day3.limits"}),
    "no restarts": (
        edit(COMPOSE, "restart: unless-stopped", 'restart: "no"'),
        {"day2.restarts", "day3.restarts"},
    ),
    "no image": (lambda world: world.marker("no-image-inspect"), {"day1.images"}),
    "an image that compose must name": (edit(COMPOSE, "image: shop/pricing", ""), {"day1.images"}),
    "compose refuses the file": (
        lambda world: world.marker("no-compose-config"), {"day2.compose"},
    ),
    "containers that are not well": (
        lambda world: world.file(str(world.bin / "ps"), lambda t: t.replace("healthy", "starting")),
        {"day2.up", "day3.up"},
    ),
    "a worker that is down": (
        lambda world: world.stopped("catalog", "cron"),
        {"day3.metrics", "day3.health", "day4.counting", "success.apart", "success.health",
         "success.metrics"},
    ),
    "pricing's event worker is down": (
        lambda world: world.stopped("pricing", "events"),
        {"day2.metrics", "day2.health", "day4.counting", "success.apart", "success.health",
         "success.metrics"},
    ),
    "an API that is down": (
        lambda world: world.stopped("pricing", "api"),
        {"day2.health", "success.apart", "success.health"},
    ),
    "jobs in an API": (
        taken_in,
        {"day3.health", "success.apart", "success.health"},
    ),
    "a worker that nobody scrapes": (
        edit("deploy/monitoring/prometheus.yml", r".*service: pricing, mode: cron.*\n", ""),
        {"day2.scraped"},
    ),
    "an alert that does not fire": (
        together(edit(RULES, r"\Z", "\n"), lambda world: world.marker("no-test-rules")),
        {"day4.alerts", "success.alerts"},
    ),
    "an alert without a test": (
        edit(RULES_TEST, "WorkerDown", "Other"), {"day4.alerts", "success.alerts"},
    ),
    "no alert for slow jobs": (edit(RULES, "duration_seconds", "other"), {"day5.rules"}),
    "an alert that the runbook does not know": (
        edit(RUNBOOK, "## WorkerDown", "## Other"), {"day5.headings", "success.documents"},
    ),
    "rules that are no YAML": (
        edit(RULES, r"\A", "a: [\n"),
        {"day4.alerts", "day5.headings", "day5.rules", "success.alerts", "success.documents"},
    ),
    "a runbook without a way to debug": (
        edit(RUNBOOK, "workerkit doctor", "..."), {"day5.runbook", "success.documents"},
    ),
    "alerts that wake nobody": (
        edit("deploy/monitoring/alertmanager.yml", "pager.example", "localhost:9099"),
        {"day5.woken"},
    ),
    "no dashboard": (gone("deploy/monitoring/grafana/dashboards/workers.json"), {"day5.dashboard"}),
    "nobody has decided": (gone("docs/evaluations/warehouse.md"), {"day4.decided"}),
    "a service without a README": (
        gone("catalog/README.md"), {"day5.readmes", "success.documents"},
    ),
    "an old README": (
        edit("README.md", r"\d+ (\| `python -m catalog.worker)", r"1 \1"),
        {"day5.overview", "success.documents"},
    ),
    "a plan without a way back": (
        edit(PLAN, "## Rollback", "## Other"), {"day5.plan", "success.documents"},
    ),
    "a plan that forgets a container": (
        edit(PLAN, "catalog-cron", "..."), {"day5.plan", "success.documents"},
    ),
    "nobody on call": (edit(PLAN, r"(on call.*\| )Ana \|", r"\1|"), {"day5.window"}),
    "tests that fail": (failed_tests, {"day5.tests"}),
    "a deployment in which no event arrives": (
        memory(occasion="verify", holds=False), {"day4.flow", "day5.smoke"},
    ),
    "a deployment that broke while it was watched": (
        memory(occasion="watch", holds=False), {"day5.watched", "success.downtime"},
    ),
    "a deployment that was left alone": (
        memory(watched=10.0), {"day5.watched", "success.downtime"},
    ),
    "a rollback that was never tried": (
        gone(".workerkit/deploy/rollback.json"), {"day5.rollback"},
    ),
    "a rollback that did not work": (
        memory(occasion="rollback", holds=False), {"day5.rollback"},
    ),
    "a slow API of catalog": (
        memory(broken=("api", "catalog")), {"day3.load", "day4.load", "success.latency"},
    ),
    "slow events": (
        memory(broken=("events", "warehouse.stock.updated")), {"day4.events", "success.throughput"},
    ),
    "an API that is slower apart": (memory(broken=("compare", "pricing")), {"success.no-worse"}),
    "a soak that was interrupted": (memory(cut_short="soak"), {"day4.soak", "success.leaks"}),
    "a leak": (memory(broken=("soak", "pricing")), {"day4.soak", "success.leaks"}),
    "usage that nobody measured": (memory(used=False), {"day3.usage", "success.usage"}),
    "an API that failed while workers were replaced": (
        memory(api_errors=3), {"success.restart"},
    ),
    "an event that was lost": (memory(lost=1), {"success.nothing-lost"}),
    **{
        f"a verdict: {scenario}": (memory(failed=scenario), {*ids, *EVERY_VERDICT})
        for scenario, ids in {
            "duplicate-events": {"day1.once"}, "reorder-events": {"day1.order"},
            "poison-event": {"day1.unreadable"},
            "stop-worker": {"day1.drain", "success.graceful"},
            "two-schedulers": {"day2.ticks"}, "kill-worker": {"day4.kill-worker"},
            "kill-cron": {"day4.kill-cron"}, "lose-db": {"day4.lose-db"},
            "lose-broker": {"day4.lose-broker"}, "scale": {"success.scale"},
            "restart-all": {"success.restart"}, "deadly-event": set(),
        }.items()
    },
}  # fmt: skip
"""What breaks, and exactly the items that turn red."""

BY_HAND = {"day5.looked", "day5.told", "day5.approved", "success.trained"}


def red(found: Checklist) -> set[str]:
    return {item.id for item in found.items() if item.state != "done"}


def test_the_shops_own_document_is_what_its_code_says(world, tmp_path):
    world.forget_modules()
    with closing(Project.open(SHOP, Environment(workerkit_data=str(tmp_path)))) as project:
        assert drift(project) == []
    world.forget_modules()


def test_the_shops_plan_asks_for_what_a_written_one_asks_for():
    text = (SHOP / PLAN).read_text()
    assert [field for field in FIELDS if f"| {field} | |\n" not in text] == []


def test_all_is_done_but_what_people_must_say(world):
    found = world.look()
    told = [f"{item.id}: {item.fact}" for item in found.items() if item.id in red(found)]
    assert red(found) == BY_HAND == set(PERSONAL), "\n".join(told)
    assert (found.exit_code("day4"), found.exit_code("day5"), found.exit_code()) == (0, 6, 0)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_broken_turns_red_and_nothing_else(world, name):
    how, ids = OTHERS[name]
    with how(world):
        found = world.look()
    told = {item.id: item.fact for item in found.items() if item.id in red(found)}
    assert red(found) - BY_HAND == ids, told
    ways_out = {item.id: item.way_out for item in found.items() if item.id in ids}
    assert all(ways_out.values()), ways_out


@pytest.mark.parametrize("name", CODE)
def test_code_that_is_changed_turns_red_what_it_breaks(world, name):
    how, ids = CODE[name]
    with how(world):
        world.forget_modules()
        found = red(world.look())
    world.forget_modules()
    assert ids <= found
    assert found <= ids | CODE["code that was never measured"][1] | BY_HAND | more(name)


def more(name: str) -> set[str]:
    """A service that cannot be put together settles nothing that concerns it."""
    if "wired" in name or "Python" in name or name.startswith("no ") or "schedule" in name:
        return {item for item in every_id() if item.startswith(("day", "success"))}
    return {"day5.architecture", "success.documents"}


def every_id() -> set[str]:
    return {f"{day}.{spec.id}" for day, (_, specs) in DAYS.items() for spec in specs}


def test_every_item_is_turned_red_by_a_test():
    tried = {id for table in (OTHERS, CODE) for _, ids in table.values() for id in ids}
    assert every_id() - tried == BY_HAND


def test_a_comparison_that_noise_hides_cannot_be_told_here(world):
    with world.remembered(broken=("compare", "pricing"), undecided=None):
        found = {item.id: item for item in world.look().items()}
    item = found["success.no-worse"]
    assert (item.state, "not proven" in item.fact) == ("unseen", True)
    assert item.way_out == "workerkit loadtest compare pricing"


def test_what_people_say_is_kept_with_name_and_day(world):
    with closing(world.open()) as project:
        tick(project, "day5.approved", "Ana Silva")
    found = world.look()
    assert "day5.approved" not in red(found)
    (item,) = [item for item in found.items() if item.id == "day5.approved"]
    assert re.fullmatch(r"Ana Silva, \d{4}-\d\d-\d\d", item.fact)
    (world.folder / "docs" / "progress" / "ticks.json").unlink()
    assert "day5.approved" in red(world.look())


def test_without_docker_and_promtool_nothing_of_theirs_is_green(world, monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    with edit(RULES, r"\Z", "\n")(world), gone(".workerkit/deploy/rollback.json")(world):
        found = {item.id: item for item in world.look().items()}
    theirs = ("day1.images", "day2.compose", "day2.up", "day3.up", "day4.alerts", "success.alerts",
              "day5.rollback")  # fmt: skip
    for id in theirs:
        assert (found[id].state, "not installed" in found[id].fact) == ("unseen", True), found[id]
