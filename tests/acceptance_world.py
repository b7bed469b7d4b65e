"""The shop with everything done that its checklist asks for, and ways to break each of it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.unit.test_chaos_verdict import evidence
from tests.unit.test_load_report import RUN
from tests.waiting import until
from workerkit.acceptance.checklist import checklist
from workerkit.acceptance.drawing import draw
from workerkit.chaos.catalogue import SCENARIOS
from workerkit.chaos.kept import Kept, Verdicts
from workerkit.chaos.verdict import judge
from workerkit.config.settings import Environment, Mode
from workerkit.loadtest.run import INTERRUPTED, Run, Runs
from workerkit.loadtest.thresholds import Check as Threshold
from workerkit.operate.checklist import Checklist
from workerkit.operate.smoke import Check, Verified
from workerkit.operate.verified import Occasion, save
from workerkit.process import Process
from workerkit.project import Project
from workerkit.publisher import plan, publish

SHOP = Path(__file__).parents[1] / "examples" / "shop"

MODES: dict[str, tuple[Mode, ...]] = {
    "pricing": ("api", "events", "cron"), "catalog": ("api", "cron"), "warehouse": ("api",)
}  # fmt: skip

CONTAINER = """
  {service}-{mode}:
    image: shop/{service}
    environment: {{ WORKER_MODE: {mode} }}
    cpus: 0.5
    mem_limit: 256m
    restart: unless-stopped
"""

DOCKER = """#!/bin/sh
cd "$(dirname "$0")"
[ -e "no-$1-$2" ] && exit 1
case "$1 $2" in
"compose ps") echo id ;;
"inspect --format") while read -r line; do echo "$line"; done < ps ;;
esac
"""
"""Answers as docker does when all is well; a file `no-WORD-WORD` beside it has it fail."""


class World:
    """One copy of the shop; processes run in this one, on free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder.parent / "bin"
        self.running: dict[tuple[str, str], tuple[Project, Process]] = {}
        self._environment = dict(os.environ)
        shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        self._write_files()
        self._write_programs()
        with closing(self.open()) as project:
            self.code = project.code()
            draw(project)
            warehouse = project.file.services["warehouse"].ports.api
        os.environ["PATH"] = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        os.environ["WAREHOUSE_URL"] = f"http://127.0.0.1:{warehouse}"
        self.remember()
        for service, modes in MODES.items():
            for mode in modes:
                self.start(service, mode)
        for service, mode in list(self.running):
            self.work(service, mode)
        self._run_own_tests()

    def open(self) -> Project:
        """The caller closes it."""
        return Project.open(self.folder, Environment(worker_drain_timeout=1.0))

    def forget_modules(self) -> None:
        """Have them loaded anew, as they are on the disk."""
        for name in [n for n in sys.modules if n.partition(".")[0] in MODES]:
            del sys.modules[name]
        sys.path[:] = [path for path in sys.path if path != str(self.folder)]

    def look(self) -> Checklist:
        """The whole checklist."""
        with closing(self.open()) as project:
            return checklist(project)

    @contextmanager
    def file(self, name: str, change: Callable[[str], str] | None) -> Iterator[None]:
        """A file with another content, or gone; as it was after the block."""
        path = self.folder / name
        before, times = path.read_bytes(), path.stat()
        if change is None:
            path.unlink()
        else:
            changed = change(before.decode())
            assert changed != before.decode(), f"{name} has nothing to change"
            path.write_text(changed)
        try:
            yield
        finally:
            path.write_bytes(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    @contextmanager
    def marker(self, name: str) -> Iterator[None]:
        """A file that has our docker or promtool fail."""
        (self.bin / name).touch()
        try:
            yield
        finally:
            (self.bin / name).unlink()

    @contextmanager
    def stopped(self, service: str, mode: Mode) -> Iterator[None]:
        """Without one process."""
        self.stop(service, mode)
        try:
            yield
        finally:
            self.start(service, mode)
            self.work(service, mode)

    @contextmanager
    def remembered(self, **changes: object) -> Iterator[None]:
        """With other memories, see `remember`."""
        self.remember(**changes)
        try:
            yield
        finally:
            self.remember()

    def remember(
        self, *, failed: str = "", broken: tuple[str, str] = ("", ""), holds: bool = True,
        undecided: bool | None = False,
        occasion: Occasion | None = None, check: str = "an event from end to end",
        watched: float = 3600.0, api_errors: int = 0, used: bool = True, lost: int = 0,
        cut_short: str = "",
    ) -> None:  # fmt: skip
        """Verdicts, runs and verified deployments: all well, but for what is said."""
        data = self.folder / ".workerkit"
        for number, scenario in enumerate(SCENARIOS):
            verdict = replace(judge(evidence()), api_asked=20, api_errors=api_errors)
            if scenario.name == failed:
                verdict = replace(verdict, result="fail", reasons=("1 lost: b",))
            verdict = replace(verdict, lost=lost if number == 0 else 0)
            kept = Kept(scenario.name, "pricing", time.time(), 1.0, self.code, verdict)
            Verdicts(data).save(kept)
        shutil.rmtree(data / "runs", ignore_errors=True)
        for kind, subject in [
            *(("api", name) for name in MODES), ("events", "warehouse.stock.updated"),
            ("compare", "pricing"), ("soak", "pricing"),
        ]:  # fmt: skip
            held = undecided if (kind, subject) == broken else True
            check_ = Threshold("p95<150ms", held, "160 ms")
            run = self.run(kind, subject, check_, used)
            Runs(data).save(replace(run, ended=INTERRUPTED if kind == cut_short else ""))
        for each in ("verify", "watch", "rollback"):
            fine = holds or each != occasion
            checks = (Check(check, fine, "5 sent, 6 seen"), Check("health", True, "running"))
            seconds = watched if each == "watch" else 1.0
            save(data, each, Verified(time.time(), seconds, (), checks, self.code))

    def run(self, kind: str, subject: str, check: Threshold, used: bool) -> Run:
        usage = RUN.usage if used else ()
        return replace(RUN, id=f"20261125-{kind}-{subject}", kind=kind, subject=subject,
                       checks=(check,), code=self.code, usage=usage)  # fmt: skip

    def start(self, service: str, mode: Mode) -> Process:
        project = Project.open(self.folder, Environment(worker_drain_timeout=1.0))
        process = Process(project, service, mode)
        process.start()
        self.running[service, mode] = (project, process)
        return process

    def stop(self, service: str, mode: str) -> None:
        project, process = self.running.pop((service, mode))
        process.stop(5.0)
        project.close()

    def work(self, service: str, mode: str) -> None:
        """Have a process settle an event, and run its jobs."""
        project, process = self.running[service, mode]
        for consumer in process.consumers:
            publish(project, plan(project, consumer.worker.topic))
            until(lambda: process.tally.of("stock-updated").jobs_processed)
        for job in process.cron.entries if process.cron else ():
            ended: list[Any] = []
            process.cron.trigger(job, time.time(), ended.append)
            until(lambda done=ended: done)
            assert ended[0].state == "succeeded", ended

    def close(self) -> None:
        for service, mode in list(self.running):
            self.stop(service, mode)
        os.environ.clear()
        os.environ.update(self._environment)
        self.forget_modules()

    def _write_files(self) -> None:
        self._replace("workerkit.toml", lambda text: re.sub(
            r"(?<== )\d{4,5}\b", lambda _: str(free_port()), text))  # fmt: skip
        ports = re.findall(r"(?<== )\d{4,5}\b", (self.folder / "workerkit.toml").read_text())
        old = re.findall(r"(?<== )\d{4,5}\b", (SHOP / "workerkit.toml").read_text())
        for name in ("README.md", "pricing/README.md", "catalog/README.md", "warehouse/README.md",
                     "deploy/monitoring/prometheus.yml"):  # fmt: skip
            for before, after in zip(old, ports, strict=True):
                self._replace(name, lambda text, b=before, a=after: text.replace(b, a))
        for job in ("pricing/worker/cron/price_sync.py", "catalog/worker/cron/stock_sync.py"):
            # No tick may come in between.
            self._replace(job, lambda text: re.sub(r"schedule = .*", 'schedule = "@yearly"', text))
        for stale in ("docker-compose.yml", "compose.yaml"):
            (self.folder / stale).unlink(missing_ok=True)
        containers = [(s, mode) for s, modes in MODES.items() for mode in modes]
        compose = "".join(CONTAINER.format(service=s, mode=mode) for s, mode in containers)
        names = " ".join(f"{s}-{mode}" for s, mode in containers)
        texts = {
            "docker-compose.yml": f"services:{compose}  redis: {{ image: redis }}\n",
            "Dockerfile": "FROM python:3.12-slim\nUSER 10001\nHEALTHCHECK CMD true\nCMD [\"x\"]\n",
            "docs/evaluations/warehouse.md": "# warehouse: separate its workers? NO\n\nNO.\n",
        }  # fmt: skip
        for name, text in texts.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        self._replace("docs/WORKERS_DEPLOYMENT_PLAN.md",
                      lambda text: re.sub(r"\| \|$", "| Ana |", text, flags=re.M).replace(
                          "| what | Ana |", "| what | |") + names)  # fmt: skip
        self._replace("deploy/monitoring/alertmanager.yml",
                      lambda text: text.replace("localhost:9099", "pager.example"))  # fmt: skip

    def _replace(self, name: str, change: Callable[[str], str]) -> None:
        path = self.folder / name
        path.write_text(change(path.read_text()))

    def _write_programs(self) -> None:
        self.bin.mkdir()
        names = [f"{service}-{mode}" for service, modes in MODES.items() for mode in modes]
        (self.bin / "ps").write_text("".join(f"{name} running healthy\n" for name in names))
        for name in ("docker", "promtool"):
            (self.bin / name).write_text(DOCKER)
            (self.bin / name).chmod(0o755)

    def _run_own_tests(self) -> None:
        cache = self.folder / ".pytest_cache" / "v" / "cache"
        cache.mkdir(parents=True)
        (cache / "nodeids").write_text('["tests/test_rules.py::test_a"]')
