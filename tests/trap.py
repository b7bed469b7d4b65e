"""A service with every fault in it that an alert is for; files and events switch them on."""

from __future__ import annotations

TOML = """
name = "trap"
[services.pricing]
wire = "trap:wire"
modes = ["api", "events", "cron"]
"""

CODE = '''
import time
from pathlib import Path

from pydantic import BaseModel
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from workerkit import CronJob, EventWorker, Retry, Service

SWITCHES = Path(__file__).parent / "switches"


def on(name):
    return (SWITCHES / name).exists()


class Order(BaseModel):
    do: str = ""


class OrderWorker(EventWorker[Order]):
    topic = "orders"
    retry = Retry(attempts=1000, first=0.5, factor=1.0, cap=0.5)

    def __init__(self):
        self.leaked = []

    def handle(self, order, context):
        while order.do == "hang" and on("hang"):
            time.sleep(0.05)
        if order.do == "slow" and on("slow"):
            time.sleep(0.3)
        if order.do == "crawl" and on("crawl"):
            time.sleep(0.02)
        if order.do == "leak":
            self.leaked.append(bytearray(b"x" * 250_000_000))

class ParcelWorker(OrderWorker):
    topic = "parcels"

    def handle(self, parcel, context):
        if parcel.do == "fail" and on("fail"):
            raise ValueError("no")


class PriceSyncJob(CronJob):
    """Each second."""

    schedule = "* * * * * *"

    def run(self, context):
        while on("long"):
            time.sleep(0.05)
        if on("broken"):
            raise ValueError("no")


def wire(settings):
    def read(request):
        time.sleep(0.3 if on("late") else 0.0)
        return PlainTextResponse("")

    def order(request):
        with settings.outbox.begin() as work:
            work.session.execute(text("SELECT 1"))
            work.publish("orders", {})
        return PlainTextResponse("")

    routes = [Route("/prices", read), Route("/orders", order, methods=["POST"])]
    workers = [OrderWorker(), ParcelWorker()]
    return Service("pricing", api=lambda: Starlette(routes=routes), events=workers,
                   cron=[PriceSyncJob()])
'''
