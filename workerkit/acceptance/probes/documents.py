"""Probes of documents and of monitoring's files."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from ...core.loading import home_of
from ...core.source import digest
from ...errors import ConfigurationError
from ...operate.checklist import Seen
from ...operate.deploy import DOCUMENT as PLAN
from ...operate.scraping import PROMETHEUS, read_targets
from ...operate.smoke import METRICS
from ..evidence import MONITORING, Evidence
from .guarded import Probe

RUNBOOK = Path("docs/WORKERS_RUNBOOK.md")

RUNBOOK_SUBJECTS = {
    "health": "workerkit status", "restart": "workerkit run", "scale": "--mode=events",
    "debug": "workerkit doctor", "emergency": "WORKER_MODE=inline",
}  # fmt: skip
"""What a runbook is asked at night, and a command that an answer to it contains."""

PATIENCE = 120.0
"""Seconds that promtool has."""

PLAN_SECTIONS = ("Before", "Steps", "Verification", "Rollback", "Monitoring")

FAULTS = {
    "a worker that is down": r"\bup\b|worker_up",
    "many failures": r"worker_errors_total|failed:ratio|outcome",
    "a job that takes too long": r"worker_job_duration_seconds|duration_seconds",
}
"""What there must be alerts for, and the metrics that such a rule looks at."""


def _of_yaml(probe: Probe) -> Probe:
    """A file that cannot be read settles nothing that is in it."""

    @wraps(probe)
    def guarded(evidence: Evidence, services: Sequence[str]) -> Seen:
        try:
            return probe(evidence, services)
        except ConfigurationError as error:
            return Seen("open", f"{MONITORING}: {error}", f"write the files in {MONITORING}")
        except (AttributeError, TypeError, KeyError) as error:
            fact = f"a file in {MONITORING} is not of the shape that it must have: {error}"
            return Seen("open", fact, f"correct the files in {MONITORING}")

    return guarded


def readmes(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Each service's README says how to start it, and on which ports it listens."""
    for name in services:
        home = home_of(evidence.project.file.services[name].wire, evidence.folder)
        file = f"{home.name}/README.md" if home.is_dir() else "README.md"
        missing = [port for port in _ports(evidence, [name]) if port not in evidence.text(file)]
        if not evidence.text(file) or missing:
            wrong = f"does not name port {missing[0]}" if evidence.text(file) else "is missing"
            return Seen("open", f"{file} {wrong}", f"edit {file}")
    return Seen("done", ", ".join(f"{name}'s" for name in services))


def root_readme(evidence: Evidence, services: Sequence[str]) -> Seen:
    """The project's README names every process with its port."""
    text = evidence.text("README.md")
    missing = [port for port in _ports(evidence, services) if port not in text]
    if not text or missing:
        wrong = f"does not name port {missing[0]}" if text else "is missing"
        return Seen("open", f"README.md {wrong}", "edit README.md")
    return Seen("done", "README.md names every process")


def runbook(evidence: Evidence, services: Sequence[str]) -> Seen:
    """It answers each subject with a command."""
    text = evidence.text(RUNBOOK)
    missing = [subject for subject, command in RUNBOOK_SUBJECTS.items() if command not in text]
    if missing:
        wrong = f"says nothing of {', '.join(missing)}" if text else "is missing"
        return Seen("open", f"{RUNBOOK} {wrong}", f"edit {RUNBOOK}")
    return Seen("done", f"{RUNBOOK}: {', '.join(RUNBOOK_SUBJECTS)}")


@_of_yaml
def alerts_explained(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Each alert has a heading in the runbook."""
    headings = set(re.findall(r"^#+ (\S+)$", evidence.text(RUNBOOK), re.M))
    missing = sorted(set(evidence.alerts) - headings)
    if missing or not evidence.alerts:
        fact = f"{RUNBOOK} has no {missing[0]}" if missing else "there is no alert"
        return Seen("open", fact, f"edit {RUNBOOK}")
    return Seen("done", f"{len(evidence.alerts)} alerts, each with its heading")


@_of_yaml
def alerts_cover(evidence: Evidence, services: Sequence[str]) -> Seen:
    """There are alerts for what teams must know of."""
    expressions = " ".join(str(rule["expr"]) for rule in evidence.alerts.values())
    missing = [fault for fault, metrics in FAULTS.items() if not re.search(metrics, expressions)]
    if missing:
        return Seen("open", f"no alert for {missing[0]}", f"edit {MONITORING / 'rules.yml'}")
    return Seen("done", f"{len(evidence.alerts)} alerts, among them for {', '.join(FAULTS)}")


@_of_yaml
def alerts_tested(evidence: Evidence, services: Sequence[str]) -> Seen:
    """promtool sees each alert fire, and stay silent, as its tests say."""
    command = f"cd {MONITORING} && promtool test rules rules.test.yml"
    text = evidence.text(MONITORING / "rules.test.yml")
    untested = [name for name in evidence.alerts if text.count(f'alertname="{name}"') < 2]
    if untested or not evidence.alerts:
        fact = f"{untested[0]} has no two tests" if untested else "there is no alert"
        return Seen("open", fact, f"edit {MONITORING / 'rules.test.yml'}")
    if shutil.which("promtool") is None:
        return Seen("unseen", "promtool is not installed on this machine", command)
    wrong = _promtool(evidence)
    if wrong:
        return Seen("open", wrong, command)
    return Seen("done", f"{len(evidence.alerts)} alerts fire and stay silent as they should")


@_of_yaml
def scraped(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Prometheus' settings have the port of each process."""
    targets = read_targets(evidence.folder / PROMETHEUS)
    missing = [port for port in _ports(evidence, services) if int(port) not in targets.ports]
    if missing and targets.elsewhere:
        fact = f"{PROMETHEUS} finds targets by {', '.join(targets.elsewhere)}"
        return Seen("unseen", fact, f"find port {missing[0]} on Prometheus' page /targets")
    if missing:
        fact = f"{PROMETHEUS} does not scrape port {missing[0]}"
        return Seen("open", fact, f"edit {PROMETHEUS}")
    return Seen("done", f"ports {', '.join(_ports(evidence, services))}")


@_of_yaml
def somebody_woken(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Alertmanager sends to something else than the example's address."""
    file = MONITORING / "alertmanager.yml"
    receivers = evidence.yaml(file)["receivers"]
    hooks = [h["url"] for r in receivers for h in r.get("webhook_configs") or ()]
    others = [key for r in receivers for key in r if key not in ("name", "webhook_configs")]
    if not others and all(urlsplit(url).hostname in ("localhost", "127.0.0.1") for url in hooks):
        return Seen("person", f"{file} sends to this machine alone", f"edit {file}")
    return Seen("done", ", ".join([*others, *hooks]))


def dashboard(evidence: Evidence, services: Sequence[str]) -> Seen:
    """There is one that asks for our metrics."""
    for path in sorted((evidence.folder / MONITORING).rglob("*.json")):
        try:
            panels = orjson.loads(path.read_bytes()).get("panels", ())
        except (OSError, ValueError, AttributeError):
            continue
        asked = orjson.dumps(panels).decode()
        if panels and any(name in asked for name in METRICS):
            name = path.relative_to(evidence.folder).as_posix()
            return Seen("done", f"{name} has {len(panels)} panels")
    return Seen("open", f"no dashboard in {MONITORING} asks for our metrics",
                f"put one into {MONITORING}")  # fmt: skip


def plan_written(evidence: Evidence, services: Sequence[str]) -> Seen:
    """The deployment plan has each section, and names each container that will be started."""
    text = evidence.text(PLAN)
    headings = re.findall(r"^## (.+)$", text, re.M)
    missing = [section for section in PLAN_SECTIONS if section not in headings]
    missing += [name for name in _container_names(evidence) if name not in text]
    if missing:
        if not text:
            return Seen("open", f"{PLAN} is missing", "workerkit deploy plan --markdown")
        return Seen("open", f"{PLAN} has no {', '.join(missing)}", f"edit {PLAN}")
    return Seen("done", f"{PLAN}: {', '.join(PLAN_SECTIONS)}")


def plan_filled(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Window, person on call, and who is told: only people know."""
    fields = list(_fields(evidence.text(PLAN)))
    empty = [name for name, value in fields if not value]
    if not fields:
        return Seen("open", f"{PLAN} has no table of fields", f"edit {PLAN}")
    if empty:
        return Seen("person", f"{PLAN}: {', '.join(empty)} not filled in", f"edit {PLAN}")
    return Seen("done", ", ".join(f"{name}: {value}" for name, value in fields))


def evaluated(evidence: Evidence, services: Sequence[str]) -> Seen:
    """For each service that stays whole there is a decision with its reason."""
    for name in services:
        text = evidence.text(f"docs/evaluations/{name}.md")
        if not re.match(rf"# {re.escape(name)}: separate its workers\? (YES|NO)\n", text):
            return Seen("open", f"nobody has decided on {name}", f"workerkit evaluate {name}")
    return Seen("done", f"{', '.join(services) or 'no service'} stays whole")


def _container_names(evidence: Evidence) -> list[str]:
    """Of the processes; none without a compose file, which is an item of its own."""
    try:
        return [each.name for each in evidence.compose.containers if not each.profiles]
    except ConfigurationError:
        return []


def _promtool(evidence: Evidence) -> str:
    """What promtool finds wrong; it takes 5 s of CPU, so files that passed are not tried again."""
    folder = evidence.folder / MONITORING
    passed = evidence.project.data / "promtool-passed"
    now = digest([folder / "rules.yml", folder / "rules.test.yml"], folder)
    with suppress(OSError, UnicodeDecodeError):
        if passed.read_text() == now:
            return ""
    try:
        done = subprocess.run(
            ["promtool", "test", "rules", "rules.test.yml"], cwd=folder,
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"promtool has not ended within {PATIENCE:g} s"
    except OSError as error:
        return f"promtool cannot be started: {error.strerror}"
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        return lines[-1] if lines else "promtool fails"
    with suppress(OSError):  # then it is tried again next time
        passed.write_text(now)
    return ""


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Rows of the table below the heading "Fields", without its titles."""
    section = re.search(r"^## Fields\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    rows = section[1].partition("|---")[2].splitlines()[1:] if section else []
    for row in rows:
        cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
        if len(cells) == 2:
            yield cells[0], cells[1]


def _ports(evidence: Evidence, services: Sequence[str]) -> list[str]:
    """Of every process of *services* that has a port of its own."""
    return [
        str(port)
        for name in services
        for mode in evidence.modes(name)
        if (port := getattr(evidence.project.file.services[name].ports, mode))
    ]
