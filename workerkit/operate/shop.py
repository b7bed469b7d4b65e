"""A copy of the shop example that runs: started, asked, disturbed and ended."""

from __future__ import annotations

import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import psutil

from ..config.inherited import environment_without_settings
from ..config.project_file import FILE, ProjectFile, read_project
from ..core.parts import answers
from ..cron.ledger import Run
from ..errors import CheckFailed, StartStopError, Unreachable
from ..events.envelope import Event, decode
from ..observability.server import free
from ..observability.trigger import ask_worker
from ..transports import open_transport
from .targets import Answer, Target, ask, url

STOCK, PRICE = "warehouse.stock.updated", "pricing.price.updated"

PATIENCE = 20.0
"""Seconds to wait for any one fact."""

LEASE = 2.0
"""Seconds after which a killed worker's events come back."""

HEALTH = {"sidecar": "/v1.0/healthz"}
"""What says that a process is ready, where it is not /readyz."""

DEV = ("-m", "workerkit", "dev", "--no-reload")


def example_folder() -> Path:
    """Where the shop lies: in the installed package, or beside it in a checkout.

    Raises:
        StartStopError: It is in neither place.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "examples" / "shop", package.parent / "examples" / "shop"):
        if (folder / FILE).is_file():
            return folder
    raise StartStopError(f"the shop example is missing from {package}: install workerkit again")


class Shop:
    """A copy of the shop in *folder*, run by `workerkit dev`.

    *free_ports* takes any free ports, so that it disturbs nothing that runs
    on this machine; else the ports are those of the example.
    """

    def __init__(self, folder: Path, *, free_ports: bool) -> None:
        self.folder = folder / "shop"
        unwanted = shutil.ignore_patterns(".*", "__pycache__")
        shutil.copytree(example_folder(), self.folder, ignore=unwanted)
        _adapt(self.folder / FILE, free_ports=free_ports)
        self.file: ProjectFile = read_project(self.folder)
        self.data = self.folder / self.file.data
        self.log = self.folder / "dev.log"
        self._dev: subprocess.Popen[bytes] | None = None

    @property
    def ports(self) -> dict[str, int]:
        """Port by process, the sidecar among them."""
        services = self.file.services
        return {
            "warehouse api": services["warehouse"].ports.api,
            "pricing api": services["pricing"].ports.api,
            "pricing events": services["pricing"].ports.events,
            "pricing cron": services["pricing"].ports.cron,
            "catalog api": services["catalog"].ports.api,
            "catalog cron": services["catalog"].ports.cron,
            "sidecar": self.file.sidecar.port,
            "dashboard": self.file.dashboard.port,
        }

    @property
    def _addresses(self) -> dict[str, str]:
        """Where its services find each other."""
        return {"WAREHOUSE_URL": f"http://127.0.0.1:{self.ports['warehouse api']}"}

    def start(self) -> None:
        """Start `workerkit dev` and wait until every process is ready.

        Raises:
            StartStopError: It ended, or was not ready in time; with the last line of its log.
        """
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C on the terminal is for us, and we end it in order.
            self._dev = subprocess.Popen(
                [sys.executable, *DEV],
                cwd=self.folder, env={**environment_without_settings(), **self._addresses},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + 3 * PATIENCE
        waiting = dict(self.ports)
        while waiting:
            if self._dev.poll() is not None:
                raise StartStopError(f"the shop did not start: {self._last_words()}")
            if time.monotonic() > end:
                raise StartStopError(
                    f"the shop did not start: {', '.join(waiting)} not ready after "
                    f"{3 * PATIENCE:g} s; the log is {self.log}"
                )
            waiting = {
                name: port
                for name, port in waiting.items()
                if not answers("127.0.0.1", port, HEALTH.get(name, "/readyz"))
            }
            time.sleep(0.05)

    def wait(self) -> None:
        """Return never while the shop runs.

        Raises:
            StartStopError: It has ended.
        """
        if self._dev is not None:
            self._dev.wait()
        raise StartStopError(f"the shop ended by itself: {self._last_words()}")

    def stop(self) -> None:
        """End all of it, at once when interrupted meanwhile; idempotent."""
        dev, self._dev = self._dev, None
        if dev is None:
            return
        family = _family(dev.pid)
        try:
            dev.terminate()
            with suppress(subprocess.TimeoutExpired):
                dev.wait(30)
        finally:
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            dev.wait()

    def call(self, process: str, path: str, body: Any = None) -> Any:
        """GET *path* of *process*, or POST *body* as JSON; the answer's JSON.

        Raises:
            CheckFailed: No answer, or one that is no success.
        """
        answer = self._ask(process, path, body)
        if not answer.fine:
            told = answer.body[:200].decode(errors="replace")
            raise CheckFailed(f"{process} answered {path} with {answer.shown} {told}".rstrip())
        return orjson.loads(answer.body) if answer.body else None

    def send(self, data: dict[str, Any], event_id: str) -> None:
        """Publish a stock level through the sidecar, with an id of our own."""
        path = f"/v1.0/publish/{self.file.sidecar.pubsub}/{STOCK}"
        self.call("sidecar", f"{path}?metadata.cloudevent.id={quote(event_id)}", data)

    def trigger(self, process: str, job: str) -> Run:
        """Run *job* in *process*, beside or after its scheduled run, and wait for its end.

        Raises:
            CheckFailed: It does not begin, or the process is away.
        """
        ended: list[Run] = []

        def runs() -> bool:
            port = self.ports[process]
            _, run = ask_worker(port, job, None, wait=True, line=lambda text: None)
            if run is not None:
                ended.append(run)
            return bool(ended)

        try:
            until(f"{job} to run", runs)
        except Unreachable as error:
            raise CheckFailed(str(error)) from None
        return ended[0]

    def price(self, sku: str) -> int:
        """As pricing's API has it, in cents."""
        return int(self.call("pricing api", f"/prices/{sku}")["price"])

    def price_other_than(self, before: int, sku: str) -> int:
        """The price of *sku* once it has changed."""
        until(f"the price of {sku} to change from {before}", lambda: self.price(sku) != before)
        return self.price(sku)

    def changes(self, sku: str) -> list[int]:
        """Every price that *sku* was given, the latest first."""
        return [c["price"] for c in self.call("pricing api", f"/prices/{sku}/history")]

    def announcements(self, sku: str) -> dict[str, int]:
        """The prices of *sku* that went out, by event id: one sent twice counts once."""
        with closing(open_transport(None, self.data)) as broker:
            entries = broker.read(PRICE, "", 100_000)
        events: list[Event] = [decode(entry.body, entry.topic, entry.entry) for entry in entries]
        return {event.id: event.data["price"] for event in events if event.data["sku"] == sku}

    def outcomes(self) -> dict[str, int]:
        """How many events the worker process brought to each outcome; empty while it is away."""
        answer = self._ask("pricing events", "/metrics")
        pattern = r'^worker_jobs_total\{[^}]*outcome="(\w+)"[^}]*\} ([0-9.]+)'
        found = re.findall(pattern, answer.body.decode(), re.M) if answer.fine else []
        return {outcome: int(float(count)) for outcome, count in found}

    def held(self) -> bool:
        """Whether a worker has taken a stock level that it has not acknowledged."""
        with closing(sqlite3.connect(self.data / "broker.db", timeout=5)) as db:
            query = "SELECT 1 FROM pending WHERE topic = ? LIMIT 1"
            return db.execute(query, (STOCK,)).fetchone() is not None

    @contextmanager
    def locked(self, name: str) -> Iterator[Callable[[], object]]:
        """Hold the write lock of a database file; yields what ends it early."""
        with closing(sqlite3.connect(self.data / name, isolation_level=None, timeout=10)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield lambda: db.execute("ROLLBACK")
            if db.in_transaction:
                db.execute("ROLLBACK")

    def kill_worker(self) -> int:
        """SIGKILL pricing's event worker; return its process id.

        Raises:
            CheckFailed: There is none.
        """
        port = self.ports["pricing events"]
        for process in _family(self._dev.pid) if self._dev else []:
            with suppress(psutil.NoSuchProcess):
                listening = {
                    connection.laddr[1]
                    for connection in process.net_connections("tcp")
                    if connection.status == psutil.CONN_LISTEN
                }
                if port in listening:
                    process.kill()
                    process.wait(10)
                    return process.pid
        raise CheckFailed(f"no process of the shop listens on port {port}")

    def _ask(self, process: str, path: str, body: Any = None) -> Answer:
        target = Target(process, "", url("127.0.0.1", self.ports[process]))
        return ask(target, path, body, timeout=10.0)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        last = lines[-1].removeprefix("workerkit: ") if lines else "it said nothing"
        return f"{last}; the log is {self.log}"


def until(what: str, fact: Callable[[], object]) -> None:
    """Wait for *fact*.

    Raises:
        CheckFailed: It did not become true in `PATIENCE` seconds.
    """
    end = time.monotonic() + PATIENCE
    while not fact():
        if time.monotonic() > end:
            raise CheckFailed(f"waited {PATIENCE:g} s for {what}")
        time.sleep(0.005)


def _adapt(path: Path, *, free_ports: bool) -> None:
    """Shorten the lease, so that nobody waits for it, and change the ports when asked to."""
    text = path.read_text(encoding="utf-8")
    if free_ports:
        with ExitStack() as taken:

            def any_free(_: re.Match[str]) -> str:
                server = taken.enter_context(socket.create_server(("127.0.0.1", 0)))
                return str(server.getsockname()[1])

            text = re.sub(r"(?<== )\d{4,5}\b", any_free, text)
    else:
        text = re.sub(r"(?<=\[dashboard\]\nport = )\d+", _unless_taken, text)
    path.write_text(f"lease = {LEASE}\n{text}", encoding="utf-8")


def _unless_taken(port: re.Match[str]) -> str:
    """The dashboard's port, which many programs like: another one must not keep the shop away."""
    if free(int(port[0])):
        return port[0]
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def _family(pid: int) -> list[psutil.Process]:
    """A process and all below it; empty when it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
