"""`workerkit check` on a generated project: what it finds, and that it finds nothing else."""

from __future__ import annotations

import pytest

from tests.desk import edit

COMPOSE = """\
services:
  orders-service: { environment: { WORKER_MODE: "${API_MODE:-api}" } }
  orders-worker: { environment: [WORKER_MODE=all] }
"""

PROMETHEUS = """\
scrape_configs:
  - job_name: acme
    static_configs:
      - targets: ["localhost:8001", "localhost:8002"]
      - targets: ["localhost:8003"]
"""


@pytest.fixture
def project(desk):
    """A new one, with files for compose and Prometheus as people write them."""
    desk.make()
    (desk.project / "docker-compose.yml").write_text(COMPOSE)
    (desk.project / "deploy" / "monitoring" / "prometheus.yml").write_text(PROMETHEUS)
    return desk


def wrong(project) -> list[tuple[str, str]]:
    """Name and fact of what was found; the exit code says that something was, or nothing."""
    answer = project.call("check", "--json")
    found = [(c["name"], c["fact"]) for c in answer.json["checks"] if c["level"] == "fail"]
    assert (answer.code, answer.json["failed"]) == ((5, True) if found else (0, False))
    assert all(c["way_out"] for c in answer.json["checks"] if c["level"] == "fail")
    return found


def test_a_new_project_has_nothing_wrong(desk):
    desk.make()
    assert wrong(desk) == []


def test_other_files_for_compose_and_prometheus_are_as_good(project):
    assert wrong(project) == []


def test_what_a_person_may_change_is_no_drift(project):
    project.change("orders/models.py", "note: Mapped[str]", "note: Mapped[str | None]")
    project.change("orders/api/__init__.py", "limit: Limit = 100", "limit: Limit = 50")
    project.change("orders/wire.py", "OrderPlacedWorker(),", "OrderPlacedWorker(),  # first")
    (project.project / "orders" / "README.md").unlink()
    assert wrong(project) == []


def test_a_worker_and_a_job_that_nobody_builds_are_found(project):
    project.change("orders/wire.py", "            OrderPlacedWorker(),\n", "")
    project.change("orders/wire.py", "            SummaryJob(),\n", "")
    assert wrong(project)[:2] == [
        ("orders", "OrderPlacedWorker in orders/worker/event/order_placed.py is not wired"),
        ("orders", "SummaryJob in orders/worker/cron/summary.py is not wired"),
    ]


def test_a_class_that_workers_are_built_on_is_no_worker(project):
    module = "orders/worker/event/order_placed.py"
    project.change(module, "class OrderPlacedWorker(", "class Base(")
    with (project.project / module).open("a") as file:
        file.write('\n\nclass OrderPlacedWorker(Base):\n    """Built on it."""\n')
    assert wrong(project) == []


def test_a_mistyped_topic_is_found(project):
    summary = "orders/worker/cron/summary.py"
    project.change(summary, "context.rows += 1", 'context.publish("order.plcaed", {"id": "1"})')
    assert wrong(project) == [("orders", "listens to 'order.placed', which nothing here publishes")]
    project.change(summary, "order.plcaed", "order.placed")
    assert wrong(project) == []
    project.change(summary, "order.placed", "invoices")
    assert wrong(project) == []


def test_a_topic_that_is_not_the_one_that_was_asked_for_is_found(project):
    project.change("orders/worker/event/order_placed.py", '"order.placed"', '"order.plced"')
    assert wrong(project) == [("orders", "listens to 'order.plced', which nothing here publishes")]


@pytest.mark.parametrize(
    ("path", "before", "after", "fact"),
    [
        ("orders/worker/cron/summary.py", "*/10", "61", "minute is 61, allowed"),
        ("orders/wire.py", "OrderPlacedWorker(),", "OrderPlacedWorker(1),", "takes no arguments"),
        ("orders/wire.py", '"orders",', '"order",', "returned service 'order'"),
        ("orders/worker/event/order_placed.py", '"order.placed"', '""', "has no topic"),
    ],
)
def test_what_cannot_work_is_found(project, path, before, after, fact):
    project.change(path, before, after)
    answer = project.call("check")
    assert answer.code == 5
    assert fact in " ".join(answer.out.split())


def test_processes_that_compose_and_prometheus_do_not_know_are_found(project):
    assert project.call("add", "service", "order_items").code == 0
    assert wrong(project) == [
        ("docker-compose.yml", "runs nothing for order_items api"),
        ("deploy/monitoring/prometheus.yml", "scrapes nothing of order_items api"),
    ]
    said = " ".join(project.call("check").out.split())
    assert "a container whose name begins with order-items, with WORKER_MODE=api" in said
    edit(
        project.project / "docker-compose.yml",
        "services:\n",
        "services:\n  order-items-service: { command: [x, --mode=api] }\n",
    )
    edit(
        project.project / "deploy/monitoring/prometheus.yml",
        "    static_configs", "    http_sd_configs: [{ url: x }]\n    static_configs",
    )  # fmt: skip
    assert wrong(project) == []
    (told,) = [c for c in project.call("check", "--json").json["checks"] if c["level"] == "warn"]
    assert told["fact"] == "does not name order_items api, and finds targets by http_sd_configs"
    assert told["way_out"]


def test_files_that_are_no_yaml_are_found(project):
    (project.project / "docker-compose.yml").write_text("services: [\n")
    (project.project / "deploy/monitoring/prometheus.yml").write_text("a: b: c\n")
    answer = project.call("check")
    assert (answer.code, answer.out.count("no YAML")) == (5, 2)


def test_older_templates_conflicts_and_changed_entries_are_drift(project):
    project.change("orders/worker/__main__.py", '"orders", *', '"orders", "--port=0", *')
    project.change("orders/migrate.py", "Create our", "Make our")
    second = project.release(2)
    edit(second / "service/files/{{ service }}/migrate.py.jinja", "Create our", "Create the")
    drift = ("orders/worker/__main__.py", "differs from the templates")
    assert wrong(project) == [
        ("templates", "the project is from version 1, the newest is 2"), drift
    ]  # fmt: skip
    assert project.call("update").code == 5
    assert ("orders/migrate.py", "has conflicts of an update") in wrong(project)


def test_one_service_is_looked_at_alone(project):
    assert project.call("add", "service", "billing").code == 0
    answer = project.call("check", "billing")
    assert (answer.code, answer.out.split()) == (0, ["ok", "billing", "an", "API"])
    assert project.call("check", "bilding").code == 2
