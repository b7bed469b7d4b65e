"""Compose files: which containers are ours, what they do, and what follows for a deployment."""

from __future__ import annotations

import orjson
import pytest

from workerkit.config.project_file import ProjectFile
from workerkit.errors import ConfigurationError
from workerkit.operate.compose import find_compose, read_compose
from workerkit.operate.deploy import (
    FIELDS,
    Tool,
    compose_of,
    plan,
    rollback,
    targets,
    write_override,
    written,
)

COMPOSE = """
x-worker: &worker
  restart: unless-stopped
  cpus: 0.5
  mem_limit: 256m
services:
  pricing-service:
    command: [python, -m, pricing.api]
    environment: { WORKER_MODE: "${API_MODE:-api}", EMPTY: , NEEDED: "${PASSWORD:?is missing}" }
    ports: ["${ADDRESS:-127.0.0.1}:18001:8001"]
  pricing-event-worker:
    <<: *worker
    environment: [WORKER_MODE=events, A=b]
    ports: ["8002"]
  pricing-event-workers:
    <<: *worker
    environment: { WORKER_MODE: events }
    profiles: [scale]
  pricing-cron-worker:
    command: workerkit run pricing --mode cron
    deploy: { resources: { limits: { cpus: "0.5", memory: 256M } } }
    healthcheck: { test: [CMD, "true"] }
    ports: [{ target: 8003, published: "18003" }]
  pricing-old-api:
    command: [workerkit, run, pricing, --mode=api]
    ports: ["8001/tcp"]
  warehouse:
    environment: { WORKER_MODE: api }
    healthcheck: { disable: true }
  redis: { image: redis }
  daprd: { image: dapr, profiles: [dapr] }
"""

FILE = ProjectFile.model_validate(
    {"name": "shop", "services": {
        "pricing": {"wire": "pricing.wire:wire"},
        "warehouse": {"wire": "w:wire", "ports": {"api": 8021}},
    }}
)  # fmt: skip

MODES = {"pricing": ("api", "events", "cron"), "warehouse": ("api",)}


@pytest.fixture
def compose(tmp_path):
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    return compose_of(tmp_path, FILE)


def test_containers_are_known_by_name_and_mode(compose):
    found = {each.name: (each.service, each.mode, each.port) for each in compose.containers}
    assert found == {
        "pricing-service": ("pricing", "api", 18001),
        "pricing-event-worker": ("pricing", "events", None),
        "pricing-event-workers": ("pricing", "events", None),
        "pricing-cron-worker": ("pricing", "cron", 18003),
        "pricing-old-api": ("pricing", "api", None),
        "warehouse": ("warehouse", "api", None),
    }
    assert compose.others == ("redis",)


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("order-event-worker", "order"), ("order-event-workers", "order"),
        ("order-service", "order"), ("order-event-service", "order_event"),
        ("order-event-event-worker", "order_event"), ("order-event-cron-worker", "order_event"),
        ("order_event-2", "order_event"), ("order-event-2", "order_event"), ("order-2", "order"),
        ("orders-service", None),
    ],
)  # fmt: skip
def test_a_container_is_known_by_its_service_s_label(tmp_path, name, service):
    file = tmp_path / "compose.yaml"
    file.write_text(f"services: {{{name}: {{environment: {{WORKER_MODE: events}}}}}}")
    found = read_compose(file, ["order", "order_event"]).containers
    assert [each.service for each in found] == ([service] if service else [])


def test_limits_restarts_and_health_checks_are_read_in_every_form(compose):
    by_name = {each.name: each for each in compose.containers}
    worker, cron = by_name["pricing-event-worker"], by_name["pricing-cron-worker"]
    assert (worker.cpus, worker.memory, worker.restart) == ("0.5", "256m", "unless-stopped")
    assert (cron.cpus, cron.memory, cron.restart) == ("0.5", "256M", "")
    checked = [name for name, each in by_name.items() if each.health_checked]
    assert checked == ["pricing-cron-worker"]


def test_processes_are_asked_where_compose_publishes_them(compose):
    found = {
        each.name: each.url for each in targets(FILE, MODES, compose, "127.0.0.1", inline=False)
    }
    assert found == {
        "pricing api": "http://127.0.0.1:18001", "pricing events": "http://127.0.0.1:8002",
        "pricing cron": "http://127.0.0.1:18003", "warehouse api": "http://127.0.0.1:8021",
        "sidecar": "http://127.0.0.1:3500",
    }  # fmt: skip
    inline = targets(FILE, MODES, compose, "::1", inline=True)
    assert [each.name for each in inline] == ["pricing inline", "warehouse api", "sidecar"]
    assert inline[0].url == "http://[::1]:18001"


def test_a_rollback_stops_every_worker_and_then_has_their_apis_do_the_work(compose, tmp_path):
    stop, up = rollback(compose, tmp_path / "rollback.yml", Tool())
    assert stop.shown == (
        "docker compose stop -t 30 pricing-event-worker pricing-event-workers pricing-cron-worker"
    )
    assert up.words[-2:] == ("pricing-service", "pricing-old-api"), "the warehouse has no workers"
    assert up.shown.startswith(
        f"docker compose -f docker-compose.yml -f {tmp_path}/rollback.yml up -d --no-deps "
    )


def test_a_rollback_keeps_what_the_projects_own_override_says(compose, tmp_path):
    (tmp_path / "docker-compose.override.yml").write_text("services: {}")
    _, up = rollback(compose, tmp_path / "rollback.yml", Tool(("docker-compose",), waits=False))
    files = "-f docker-compose.yml -f docker-compose.override.yml -f"
    assert up.shown.startswith(f"docker-compose {files} {tmp_path}/rollback.yml up -d ")


def test_an_old_compose_is_not_asked_to_wait(compose):
    sections = plan(compose, FILE, Tool(("docker-compose",), waits=False))
    commands = [step.command for section in sections for step in section.steps]
    assert "docker-compose up -d redis" in commands
    assert not any("--wait" in command for command in commands)


def test_the_override_wins_over_the_environment_and_over_a_flag(compose, tmp_path):
    write_override(compose, tmp_path / "deep" / "rollback.yml")
    written = orjson.loads((tmp_path / "deep" / "rollback.yml").read_bytes())["services"]
    assert written == {
        "pricing-service": {"environment": {"WORKER_MODE": "inline"}},
        "pricing-old-api": {
            "environment": {"WORKER_MODE": "inline"},
            "command": ["workerkit", "run", "pricing", "--mode=inline"],
        },
    }


def test_the_plan_starts_workers_before_the_apis_let_go(compose):
    sections = {section.title: section.steps for section in plan(compose, FILE, Tool())}
    assert list(sections) == ["Before", "Steps", "Verification", "Rollback", "Monitoring"]
    commands = [step.command for step in sections["Steps"]]
    workers = "docker compose up -d --wait --no-deps pricing-event-worker pricing-cron-worker"
    assert commands.index(workers) < commands.index(
        "docker compose up -d --wait --no-deps pricing-service pricing-old-api warehouse"
    )
    assert "docker compose up -d --wait redis" in commands


def test_a_plan_is_written_with_fields_for_people_and_every_container(compose):
    text = written(plan(compose, FILE, Tool()), "shop")
    assert text.startswith(
        "# shop: deployment of the workers\n\n## Fields\n\n| what | |\n|---|---|\n"
    )
    assert text.count("| |\n") == 1 + len(FIELDS)
    assert "1. Build.\n" not in text and "2. Build.\n\n   ```\n   docker compose build\n" in text
    assert all(each.name in text for each in compose.containers)


ODD = "services: {{pricing-service: {{environment: {{WORKER_MODE: api}}, {}}}}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no compose file in .*: needs one of compose.yaml"),
        ("services: {redis: {image: redis}}", "runs no service of shop"),
        ("a: [", "docker-compose.yml: no YAML: "),
        ("- 1", "docker-compose.yml: has no services"),
        ("services: 3", "docker-compose.yml: has no services"),
        (ODD.format("healthcheck: true"), "pricing-service: not of the shape of a service"),
        (ODD.format("ports: 8001"), "pricing-service: not of the shape of a service"),
        (ODD.format("deploy: x"), "pricing-service: not of the shape of a service"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path, text, said):
    if text is not None:
        (tmp_path / "docker-compose.yml").write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        compose_of(tmp_path, FILE)


def test_the_file_that_compose_prefers_is_taken(tmp_path):
    for name in ("docker-compose.yml", "compose.yaml"):
        (tmp_path / name).write_text("services: {}")
    assert find_compose(tmp_path) == tmp_path / "compose.yaml"
    assert read_compose(tmp_path / "compose.yaml", []).containers == ()
