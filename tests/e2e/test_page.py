"""The dashboard in a real browser, on a project that `workerkit dev` runs."""

from __future__ import annotations

import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.browser import Tab, chromium
from tests.ports import free_port
from tests.started import Place
from tests.waiting import until
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.transports.sqlite import SqliteTransport

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium")

AXE = Path(__file__).parents[1] / "data" / "axe" / "axe.min.js"

APP = """
import logging

from pydantic import BaseModel, Field
from workerkit import CronJob, EventWorker, Retry, Service

log = logging.getLogger("shop")


class Order(BaseModel):
    id: int = Field(examples=[7], ge=1)
    note: str = ""
    express: bool = False


class OrderWorker(EventWorker[Order]):
    topic = "orders"
    retry = Retry(attempts=2, first=0.05, cap=0.05)

    def handle(self, order, context):
        log.info("looking at an order", extra={"order": order.id})
        if order.id == 13 or (order.id == 14 and context.attempt == 1):
            raise ValueError(f"unlucky: {order.note}")
        context.publish("orders.booked", {"id": order.id})


class ReportJob(CronJob):
    schedule = "0 3 * * *"

    def run(self, context):
        log.info("counting orders")
        context.rows += 3


def wire(settings):
    return Service("shop", events=[OrderWorker()], cron=[ReportJob()])
"""

TOML = """
name = "bakery"
[services.shop]
wire = "app:wire"
modes = ["events", "cron"]
ports = {{ events = {}, cron = {} }}
[dashboard]
port = {}
"""

EVIL = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"

VIEWS = ("/", "/events", "/publish?topic=orders", "/cron", "/cron/shop/report", "/letters",
         "/letters?parked=1", "/trials", "/checklist")  # fmt: skip


class Bakery(Place):
    """The project, with its page."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        ports = [free_port() for _ in range(3)]
        self.data = folder / ".workerkit"
        self.page = f"http://127.0.0.1:{ports[2]}"
        self.write("app.py", APP)
        self.write("workerkit.toml", TOML.format(*ports))
        self.dev = self.start("dev", "--no-sidecar", "--no-reload")
        self.dev.says("ready after").says("dashboard: http")

    def publish(self, id: str, data: object, topic: str = "orders") -> None:
        """An event as the command line publishes it."""
        event = Event(topic, data, id=id, source="cli", time=time.time())
        with closing(SqliteTransport(self.data / "broker.db")) as broker:
            broker.publish([Message(topic, encode(event))])

    def state(self, id: str) -> str:
        """What the order worker made of an event; empty when it has not been settled."""
        query = "SELECT state FROM workerkit_inbox WHERE id = ?"
        with closing(sqlite3.connect(self.data / "shop.db", timeout=10)) as db:
            return next((state for (state,) in db.execute(query, (id,))), "")

    def bury(self, id: str, note: str = "a note") -> None:
        """Have an event given up on."""
        self.publish(id, {"id": 13, "note": note})
        until(lambda: self.state(id) == "dead")


@pytest.fixture(scope="module")
def bakery(tmp_path_factory) -> Iterator[Bakery]:
    opened = Bakery(tmp_path_factory.mktemp("page") / "bakery")
    yield opened
    opened.dev.signal(signal.SIGTERM)
    opened.close()


@pytest.fixture
def tab(browser) -> Iterator[Tab]:
    """A tab in which nothing may go wrong unnoticed."""
    opened = browser.tab()
    yield opened
    assert opened.trouble == []


def faults(tab: Tab) -> list[str]:
    """Serious faults that axe finds on the page."""
    if not tab.run("typeof axe !== 'undefined'"):
        tab.run(AXE.read_text(encoding="utf-8") + ";0")
    found = tab.run("axe.run().then(found => found.violations)")
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in serious]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, True)])
def test_every_view_fits_and_has_no_fault(bakery, browser, width, dark):
    bakery.bury("buried")
    tab = browser.tab(width, 800, dark=dark)
    for view in (*VIEWS, "/events/buried", "/letters/buried"):
        tab.go(bakery.page + view).sees("to go." if view == "/checklist" else "")
        assert tab.run("document.documentElement.scrollWidth") <= width, view
        assert faults(tab) == [], view
    assert tab.trouble == []
    back = tab.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back)[:3])) < 200) is dark


def test_an_event_goes_from_the_form_to_its_follow_up(bakery, tab):
    tab.go(f"{bakery.page}/events").sends("a", "Send an event").sees("shop/order")
    assert tab.run("document.querySelector('#field-id').value") == "7"
    tab.fill("#field-id", "14").fill("#field-note", "with sugar").sends("button", "Publish")
    tab.sees("Published to orders.").sees("shop/order, attempt 2").sees("shop/order committed")
    tab.sees("Follow-up on orders.booked")
    for told in ("shop/order, attempt 1", "ValueError: unlucky: with sugar", "after 1 failed",
                 "looking at an order", "with sugar"):  # fmt: skip
        assert told in tab.text
    tab.sends("a", "Follow-up on orders.booked").sees("nobody listens")
    assert tab.run("document.querySelector('h1').textContent") == "orders.booked"
    tab.go(f"{bakery.page}/events?topic=orders").sees("applied").sends("#stream a", "orders")
    tab.click("summary", "Edit and publish").fill("#json", '{"id": 8}')
    tab.sends("button", "Publish edited").sees("shop/order committed")
    assert '"id": 8' in tab.text
    tab.sends("button", "Publish again").sees("Published to orders.")


def test_an_event_with_an_endless_id_has_its_story_too(bakery, tab):
    bakery.publish("x" * 600, {"id": 31})
    tab.go(f"{bakery.page}/events").sees('"id":31')
    line = "document.querySelector('li:has([data-key^=xxx])').textContent"
    until(lambda: "applied" in tab.run(line))
    tab.sends("a[data-key^=xxx]").sees("shop/order committed")


def test_what_cannot_be_published_is_told_where_it_was_asked(bakery, tab):
    tab.go(f"{bakery.page}/publish?topic=orders").fill("#field-id", "many")
    tab.sends("button", "Publish").sees("id: 'many' is no JSON")
    assert tab.run("location.pathname") == "/publish"


def test_an_update_between_press_and_release_does_not_lose_the_click(bakery, tab):
    updates = "performance.getEntriesByName('update').length"
    bakery.publish("pressed", {"id": 41})
    tab.go(f"{bakery.page}/events").sees('"id":41').sees("live")
    place = tab.place("#stream a", "orders")
    tab.run("window.left = true; document.querySelector('a').focus()")
    tab.mouse("mousePressed", place)
    before = tab.run(updates)
    bakery.publish("meanwhile", {"id": 42})
    until(lambda: tab.run(updates) > before, 20)
    tab.mouse("mouseReleased", place)
    tab.arrived()
    assert tab.run("location.pathname").startswith("/events/")


def test_a_job_is_run_paused_and_resumed(bakery, tab):
    tab.go(f"{bakery.page}/cron").sends("button", "Run now")
    tab.sees("shop/report was started in the worker on port").sees("succeeded")
    tab.sends("button", "Pause").sees("shop/report is paused.").sees("by the dashboard")
    tab.sends("button", "Resume").sees("running on schedule")
    tab.sends("a", "shop/report").sees("by hand").sees("3 rows").sees("Log").click("summary", "Log")
    tab.sees("counting orders")


def test_dead_letters_are_replayed_corrected_and_dropped_after_a_question(bakery, tab):
    for id in ("one", "two", "three"):
        bakery.bury(f"letter-{id}")
    tab.go(f"{bakery.page}/letters/letter-one").sees("ValueError: unlucky").sees("Traceback (most")
    tab.click("summary", "Correct and replay").fill("textarea", '{"id": 5}')
    tab.sends("button", "Correct and replay").sees("Made 1 event due again")
    until(lambda: bakery.state("letter-one") == "applied")
    tab.go(f"{bakery.page}/letters").click("#choose-letter-two").sends("button", "Replay the ch")
    tab.sees("Made 1 event due again").go(f"{bakery.page}/letters/letter-three")
    tab.click("summary", "Drop").sees("cannot be undone")
    tab.sends("button", "Yes, drop").sees("Dropped 1 event.")
    assert "letter-three" not in tab.text
    until(lambda: bakery.state("letter-two") == "dead")  # it has failed again
    tab.go(f"{bakery.page}/letters").sends("button", "Replay all").sees("due again")


def test_kill_worker_is_watched_and_ends_with_a_verdict(bakery, tab):
    tab.go(f"{bakery.page}/trials").sends("li:has(strong) button[aria-label='Start kill-worker']")
    tab.sees("Settled a second", 40).sees("Waiting events")
    tab.sees("Past runs", 60).sends("#past a", "kill-worker")
    assert tab.run("document.querySelector('.chip').textContent").strip().endswith("pass"), tab.text
    assert re.search(r"lost\s+0\s+done twice\s+0", tab.text)
    assert tab.run("document.querySelectorAll('.chart rect title').length") >= 3
    assert faults(tab) == []


def test_everything_goes_with_the_keyboard_alone(bakery, tab):
    tab.go(f"{bakery.page}/cron").press("Tab")
    assert tab.run("document.activeElement.textContent") == "Skip to the content"
    tab.press("Enter")
    for _ in range(4):
        tab.press("Tab")
        if tab.run("document.activeElement.textContent") == "Run now":
            break
    outline = tab.run("getComputedStyle(document.activeElement).outlineStyle")
    assert (tab.run("document.activeElement.textContent"), outline) == ("Run now", "solid")
    tab.run("window.left = true")
    tab.press("Enter").arrived().sees("was started")
    tab.go(f"{bakery.page}/letters/none-such")
    tab.trouble.clear()  # the browser complains about every 404
    reached = set()
    for _ in range(12):
        tab.press("Tab")
        reached.add(tab.run("document.activeElement.getAttribute('aria-label')"))
    assert {"Overview", "Events", "Cron", "Dead letters", "Chaos and load", "Checklist"} <= reached


def test_an_open_page_goes_on_without_losing_the_focus(bakery, tab):
    bakery.publish("first", {"id": 21})
    tab.go(f"{bakery.page}/events").sees("live").sees('"id":21')
    tab.run("""document.querySelector('#stream a[data-key="first"]').focus()""")
    bakery.publish("second", {"id": 22})
    tab.sees('"id":22')
    assert tab.run("document.activeElement.dataset.key") == "first"
    tab.fill("#filter", '"id":22')
    until(lambda: '"id":21' not in tab.text)
    assert '"id":22' in tab.text


def test_html_and_scripts_are_shown_and_never_run(bakery, tab):
    bakery.bury("evil<b>", EVIL)
    bakery.publish(f"strange/{EVIL}", {EVIL: EVIL}, f"t{EVIL}")
    for view in (*VIEWS, "/events/evil%3Cb%3E", "/letters/evil%3Cb%3E"):
        tab.go(bakery.page + view)
    assert EVIL in tab.text
    tab.go(f"{bakery.page}/events").sees(f"t{EVIL}").sends("#stream a", f"t{EVIL}").sees("Story")
    assert EVIL in tab.run("document.querySelector('h1').textContent")
    assert tab.run("window.hacked") is None
    assert tab.run("document.querySelectorAll('main img, main script').length") == 0


def test_a_page_of_another_origin_can_do_nothing(bakery, browser, tmp_path):
    other = tmp_path / "other.html"
    other.write_text(f"<form method=post action='{bakery.page}/do/replay-all'><button>go</button>")
    tab = browser.tab()
    tab.go(f"file://{other}").sends("button", "go").sees("not allowed")
    assert tab.status == 403


def test_the_browser_of_the_tests_does_see_what_is_wrong(bakery, browser, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text("<html><body><img src=none.png><input><script>console.error('no')</script>")
    tab = browser.tab()
    tab.go(f"file://{page}")
    until(lambda: any("no" in text for text in tab.trouble))
    assert {one.partition(":")[0] for one in faults(tab)} >= {"image-alt", "label"}
