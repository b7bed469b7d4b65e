"""`workerkit top` on a terminal of 80 by 24, and in a pipe."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading

import pytest

from tests.started import Place, environment
from tests.waiting import until

APP = """
from workerkit import CronJob, EventWorker, Service


class OrderWorker(EventWorker[dict]):
    topic = "orders"

    def handle(self, order, context):
        if order.get("bad"):
            raise ValueError("no")


OrderWorker.retry = OrderWorker.retry.__class__(attempts=1)


class ReportJob(CronJob):
    schedule = "0 3 * * *"

    def run(self, context):
        pass


def wire(settings):
    return Service("app", events=[OrderWorker()], cron=[ReportJob()])
"""


@pytest.fixture
def place(place) -> Place:
    """A project that runs, all of it in one process."""
    place.write("app.py", APP)
    place.write("workerkit.toml", '[services.app]\nwire = "app:wire"\nports = { events = 0 }\n')
    place.start("run", "app", "--mode=all", "--port=0").says("running on port")
    return place


class Terminal:
    """`workerkit top` on a pseudo terminal; what it wrote, without the control sequences."""

    def __init__(self, place: Place) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._before = termios.tcgetattr(slave)
        self._slave = slave
        self._written = b""
        command = [sys.executable, "-m", "workerkit", "top", "--every=0.3"]
        self.process = subprocess.Popen(
            command, cwd=place.folder, stdin=slave, stdout=slave, stderr=slave,
            env=environment({"TERM": "xterm", "NO_COLOR": "1"}),
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._written.decode(errors="replace"))

    def press(self, key: str) -> None:
        os.write(self._master, key.encode())

    def quit(self) -> int:
        self.press("q")
        return self.process.wait(20)

    @property
    def restored(self) -> bool:
        return termios.tcgetattr(self._slave) == self._before

    def _read(self) -> None:
        while True:
            try:
                self._written += os.read(self._master, 65536)
            except OSError:
                return


def test_keys_pause_run_and_replay(place):
    place.call("publish", "orders", "--data", '{"bad": true}')
    terminal = Terminal(place)
    until(lambda: "1 dead" in terminal.text)
    terminal.press("r")
    until(lambda: "made 1 event of app due again" in terminal.text)
    terminal.press("p")
    until(lambda: "order is no job" in terminal.text)
    terminal.press("\x1b[Bp")
    until(lambda: "app/report paused" in terminal.text)
    until(lambda: json.loads(place.call("cron", "list", "--json")[1])[0]["paused_by"])
    terminal.press("p")
    until(lambda: "app/report resumed" in terminal.text)
    terminal.press("t")
    until(lambda: "app/report was started in the worker on port" in terminal.text)
    assert terminal.quit() == 0
    assert terminal.restored
    assert "succeeded" in place.call("cron", "history", "report")[1]


def test_no_line_is_wider_than_the_terminal(place):
    terminal = Terminal(place)
    until(lambda: "q quit" in terminal.text)
    assert terminal.quit() == 0
    assert max(len(line.rstrip()) for line in terminal.text.splitlines()) <= 80


def test_a_pipe_gets_one_table(place):
    code, said = place.call("top")
    assert code == 0
    assert re.search(r"^order +\d+ +running +0/s +0 +- +0 +0 +-$", said, re.M)
    assert re.search(r"^app/report +\d+ +running .* \d+:\d\d:\d\d$", said, re.M)
    assert "0 events/s   0 waiting   0 parked   0 dead   0 in outboxes" in said
    code, said = place.call("top", "--json")
    assert [row["name"] for row in json.loads(said)["rows"]] == ["order", "app/report"]
