"""Rules for a compose file, for where no client is there to read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.project import DRAIN, LABEL, Expected, Process

LIMITS = {"api": (1, "512m"), "events": (1, "512m"), "cron": (0.5, "256m")}
"""CPUs and memory, by mode."""

SERVICE = {
    "build", "command", "container_name", "cpus", "depends_on", "environment", "healthcheck",
    "image", "mem_limit", "ports", "profiles", "restart", "stop_grace_period", "volumes",
}  # fmt: skip
"""What Compose 1.29 and 2 both know and heed, and is used here."""

Content = dict[str, Any]


def problems(file: Path, expected: Expected) -> list[str]:
    """All that is wrong in the compose *file*, each with the service's name."""
    text = file.read_text()
    content = yaml.safe_load(text)
    services = content["services"]
    found = [f"${{{name}}} has no default" for name in re.findall(r"\$\{(\w+)\}", text)]
    found += [f"services.{name}: missing" for name in expected.processes if name not in services]
    found += [f"{name!r} is not understood" for name in _unknown(content)]
    for name, service in services.items():
        if not LABEL.fullmatch(name):
            found.append(f"services.{name}: is no name for a host")
        process = expected.processes.get(name) or expected.processes.get(name.removesuffix("s"))
        own = list(_any(service, content))
        if process:
            own += [*_ours(service, process, expected), *_places(name, service, process)]
        found += [f"services.{name}: {problem}" for problem in own]
    return found + [problem for profile in _profiles(file) for problem in _ports(content, profile)]


def _unknown(content: Content) -> list[str]:
    known = {"services", "volumes"}
    return [name for name in content if name not in known and not name.startswith("x-")]


def _any(service: Content, content: Content) -> Iterator[str]:
    for name in service.keys() - SERVICE:
        yield f"{name} is not heeded by Compose 1.29 and 2 alike"
    if service.get("restart") != "unless-stopped":
        yield "restart must be unless-stopped"
    for name, how in service.get("depends_on", {}).items():
        other = content["services"].get(name)
        if other is None:
            yield f"depends on {name}, which is not there"
        elif how != {"condition": "service_healthy"}:
            yield f"does not wait until {name} is healthy"
        elif "build" not in other and "healthcheck" not in other:
            yield f"waits for {name}, which has no healthcheck"
    for volume in service.get("volumes", ()):
        name = volume.partition(":")[0]
        if not name.startswith("./") and name not in content.get("volumes", {}):
            yield f"volume {name} is not declared"


def _ours(service: Content, process: Process, expected: Expected) -> Iterator[str]:
    """What the checklist and workerkit.toml say of a process."""
    told = service["environment"]
    mode = "${API_MODE:-api}" if process.mode == "api" else process.mode
    if told.get("WORKER_MODE") != mode:
        yield f"WORKER_MODE is {told.get('WORKER_MODE')}, must be {mode}"
    if process.mode == "events" and told.get("WORKER_CONCURRENCY") != 10:
        yield "WORKER_CONCURRENCY must be 10"
    for name in told.keys() - expected.variables(process.service):
        yield f"{process.service} does not read {name}"
    if (service.get("cpus"), service.get("mem_limit")) != LIMITS[process.mode]:
        yield f"limits must be {LIMITS[process.mode]}"
    if service.get("build", {}).get("args", {}).get("MAIN_PKG") != process.main:
        yield f"MAIN_PKG must be {process.main}"
    if service.get("image") != process.image:
        yield f"image must be {process.image}"
    if seconds(service.get("stop_grace_period", "10s")) <= DRAIN:
        yield f"is killed before it has drained for {DRAIN:g} s"
    wanted = {"redis", "postgres"}
    if process.mode != "api":
        wanted.add(f"{process.label}-service")
    for name in wanted - service.get("depends_on", {}).keys():
        yield f"must wait for {name}"


def _places(name: str, service: Content, process: Process) -> Iterator[str]:
    """A process has its port; one to be scaled has neither a port nor a name of its own."""
    ports = [port.rpartition("}:")[2] for port in service.get("ports", ())]
    if name != process.name:
        if ports or "container_name" in service:
            yield "cannot be scaled: a port or a name is there once"
    elif ports != [f"{process.port}:{process.port}"]:
        yield f"ports {ports}, workerkit.toml says {process.port}"
    elif process.mode == "events" and service.get("container_name") != name:
        yield f"container_name must be {name}"


def _ports(content: Content, profile: str) -> Iterator[str]:
    """With each profile, every host port has one owner, and 3500 has one."""
    owners: dict[str, str] = {}
    for name, service in content["services"].items():
        if profile not in service.get("profiles", [profile]):
            continue
        for port in service.get("ports", ()):
            host = port.rpartition(":")[0].rpartition(":")[2]
            if host in owners:
                yield f"profile {profile}: {owners[host]} and {name} both have port {host}"
            owners[host] = name
    if "3500" not in owners:
        yield f"profile {profile}: nobody has port 3500"


def _profiles(file: Path) -> list[str]:
    """The profile that is chosen without a flag, and the one that takes its place."""
    default = re.search(r"^COMPOSE_PROFILES=(\w+)$", (file.parent / ".env").read_text(), re.M)
    return [default[1] if default else "", "dapr"]


def seconds(text: str) -> float:
    """`30s` as a number."""
    return float(text.removesuffix("s"))
