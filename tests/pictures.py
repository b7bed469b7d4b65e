"""Makes the pictures in `docs/`: the page in a browser, and two commands in a terminal.

Run by `python3 noxfile.py -s pictures`, not by the tests: a picture differs each time.
"""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.browser import Browser, chromium
from tests.waiting import until
from workerkit.cli import show_top
from workerkit.cli.opened import open_here
from workerkit.cli.top_run import _jobs, _look
from workerkit.operate.shop import STOCK, Shop
from workerkit.operate.top import Top
from workerkit.publisher import plan, publish

DOCS = Path(__file__).parents[1] / "docs"
CLI = (sys.executable, "-m", "workerkit")
WIDTH, HEIGHT = 100, 18

BAD = {"productId": "test-123", "sku": "SKU-001", "newStock": "lots"}

PICTURES = (
    ("overview-light", "/", 1280, 800, False),
    ("overview-dark", "/", 1280, 800, True),
    ("overview-phone", "/", 360, 720, True),
    ("events", f"/events?topic={STOCK}", 1280, 640, True),
    ("cron", "/cron", 1280, 640, False),
    ("dead-letter", "/letters", 1280, 640, True),
)


def main() -> None:
    """All of them."""
    if chromium() is None:
        sys.exit("needs Chromium")
    with tempfile.TemporaryDirectory() as place, running(Path(place)) as shop:
        with busy(shop):
            terminal("top", top())
            browse(shop, Path(place))
        chaos(shop, Path(place))
    terminal("demo", said_by(*CLI, "demo", "--once"))


@contextmanager
def running(folder: Path) -> Iterator[Shop]:
    """The shop on free ports."""
    shop = Shop(folder, free_ports=True)
    shop.start()
    try:
        yield shop
    finally:
        shop.stop()


@contextmanager
def busy(shop: Shop) -> Iterator[None]:
    """Stock changes all the time, one of them no number."""
    here = Path.cwd()
    os.chdir(shop.folder)
    steady = subprocess.Popen(
        [*CLI, "publish", STOCK, "--count=100000", "--rate=40"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    bad = f"--data={json.dumps(BAD)}"
    subprocess.run([*CLI, "publish", STOCK, bad], check=True, capture_output=True)
    subprocess.run([*CLI, "cron", "trigger", "price_sync", "--wait"], check=True,
                   capture_output=True)  # fmt: skip
    try:
        yield
    finally:
        steady.kill()
        steady.wait(10)
        os.chdir(here)


def browse(shop: Shop, folder: Path) -> None:
    """The views, and one event's story from the form to the follow-up."""
    page = f"http://127.0.0.1:{shop.ports['dashboard']}"
    browser = Browser(folder / "chromium")
    try:
        tab = browser.tab()
        tab.go(page)
        until(lambda: tab.run("document.querySelectorAll('.figures .spark').length") == 1)
        time.sleep(25)  # until the curves have some length
        for name, path, width, height, dark in PICTURES:
            tab = browser.tab(width, height, dark=dark)
            tab.go(page + path).sees("live").picture(DOCS / f"{name}.png")
        tab = browser.tab(1280, 760)
        tab.go(f"{page}/publish?topic={STOCK}").fill("#field-newStock", "3")
        tab.sends("button", "Publish").sees("Follow-up on").sees("committed")
        tab.picture(DOCS / "story.png")
    finally:
        browser.close()


def chaos(shop: Shop, folder: Path) -> None:
    """A worker is killed; nothing else happens meanwhile."""
    browser = Browser(folder / "chromium-of-chaos")
    try:
        tab = browser.tab(1280, 760, dark=True)
        tab.go(f"http://127.0.0.1:{shop.ports['dashboard']}/trials")
        tab.sends("button[aria-label='Start kill-worker']").sees("Past runs", 120)
        tab.sends("#past a", "kill-worker").sees("live").picture(DOCS / "chaos.png")
    finally:
        browser.close()


def top() -> Text:
    """`workerkit top` as it looks on a terminal."""
    project = open_here()
    try:
        watched = Top(lambda: _look(project), lambda: _jobs(project))
        watched.scene()
        publish(project, plan(project, STOCK), count=200)
        time.sleep(1.0)
        scene = watched.scene()
    finally:
        project.close()
    screen = io.StringIO()
    console = Console(file=screen, width=WIDTH, height=HEIGHT, force_terminal=True)
    console.print(show_top._screen(scene, 1, "", HEIGHT))
    return Text.from_ansi(f"$ workerkit top\n{screen.getvalue()}")


def said_by(*command: str) -> Text:
    """What *command* says on a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    said = b""
    with suppress(OSError):  # the end of a terminal is an error on Linux
        while piece := os.read(master, 65536):
            said += piece
    if process.wait(10):
        sys.exit(said.decode(errors="replace"))
    text = said.decode().replace("\r\n", "\n").replace(tempfile.gettempdir(), "$TMPDIR")
    return Text.from_ansi(f"$ workerkit {' '.join(command[3:])}\n{text}")


def terminal(name: str, text: Text) -> None:
    """Write *text* as a picture of a terminal; it wraps as one does."""
    console = Console(file=io.StringIO(), record=True, width=WIDTH, force_terminal=True)
    console.print(text)
    console.save_svg(str(DOCS / f"{name}.svg"), title=f"workerkit {name}")


if __name__ == "__main__":
    main()
