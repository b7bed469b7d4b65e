"""A worker is put into `wire.py` wherever a person has left room for it."""

from __future__ import annotations

import ast

import pytest

from workerkit.config.answers import Answers, CronAnswers, EventAnswers, ServiceAnswers
from workerkit.errors import ConfigurationError
from workerkit.scaffold.project_files import with_mode, with_service
from workerkit.scaffold.templates import WorkerClass, newest_version, render
from workerkit.scaffold.wiring import with_worker

WORKER = WorkerClass("event", "order_placed", "OrderPlacedWorker")
JOB = WorkerClass("cron", "summary", "SummaryJob")

HEAD = "from workerkit import Service\n\nfrom .api import build_api\n\n\n"
WIRE = HEAD + "def wire(settings):\n    return "


def answers(*services: ServiceAnswers) -> Answers:
    return Answers(templates=newest_version(), name="acme", services=services)


def event(topic: str) -> EventAnswers:
    return EventAnswers(topic=topic, module=topic.replace(".", "_"))


def test_what_is_edited_is_what_the_templates_would_have_rendered():
    tally, clean = (CronAnswers(name=name, schedule="@daily") for name in ("tally", "clean"))
    wanted = [("event", event("b.x")), ("cron", tally), ("event", event("a.x")), ("cron", clean)]
    service = ServiceAnswers(name="orders", port=8001)
    files = render(answers(service))
    wire, toml = files["orders/wire.py"], files["workerkit.toml"]
    for kind, worker in wanted:
        field = "events" if kind == "event" else "cron"
        service = service.model_copy(update={field: (*getattr(service, field), worker)})
        module = worker.module if kind == "event" else worker.name
        cls = "".join(word.title() for word in module.split("_"))
        end = "Worker" if kind == "event" else "Job"
        wire = with_worker(wire, WorkerClass(kind, module, f"{cls}{end}"), "wire.py")
        toml = with_mode(toml, "orders", field)
    billing = ServiceAnswers(name="billing", port=8011)
    rendered = render(answers(service, billing))
    assert wire == rendered["orders/wire.py"]
    assert with_service(toml, billing) == rendered["workerkit.toml"]


@pytest.mark.parametrize(
    ("call", "after"),
    [
        ('Service("a")', 'Service("a", events=[OrderPlacedWorker()])'),
        ('Service("a",)', 'Service("a", events=[OrderPlacedWorker()])'),
        ('Service("a", events=[])', 'Service("a", events=[OrderPlacedWorker()])'),
        ('Service("a", events=[A(x), ])', 'Service("a", events=[A(x), OrderPlacedWorker() ])'),
        ('Service("ä", events=[Ä("ö")])', 'Service("ä", events=[Ä("ö"), OrderPlacedWorker()])'),
        (
            'Service(\n        "a", api=f, migrate=m\n    )',
            'Service(\n        "a", api=f,\n        events=[\n            OrderPlacedWorker(),\n'
            "        ], migrate=m\n    )",
        ),
        (
            'Service(\n        "a",\n        events=[\n            A(),  # first\n'
            "            B(x)  # no comma\n        ],\n    )",
            'Service(\n        "a",\n        events=[\n            A(),  # first\n'
            "            B(x),  # no comma\n            OrderPlacedWorker(),\n        ],\n    )",
        ),
        (
            'Service(name="a", migrate=m)',
            'Service(name="a", events=[OrderPlacedWorker()], migrate=m)',
        ),
        ("workerkit.Service('a')", "workerkit.Service('a', events=[OrderPlacedWorker()])"),
    ],
)
def test_a_worker_goes_to_the_end_of_the_list_and_nothing_else_moves(call, after):
    source = with_worker(f"{WIRE}{call}\n", WORKER, "wire.py")
    head = HEAD.replace(
        "build_api\n", f"build_api\nfrom .worker.event.order_placed import {WORKER.cls}\n"
    )
    assert source == f"{head}def wire(settings):\n    return {after}\n"
    ast.parse(source)


def test_a_job_comes_behind_the_events():
    source = with_worker(f'{WIRE}Service("a", api=f, events=e)\n', JOB, "wire.py")
    assert 'Service("a", api=f, events=e, cron=[SummaryJob()])' in source


def test_an_import_goes_to_its_place_among_the_sorted_ones():
    source = WIRE.replace("build_api\n", "build_api\nfrom .worker.event.a import A\n")
    lines = with_worker(f'{source}Service("a")\n', JOB, "wire.py").splitlines()
    assert (
        lines.index("from .worker.cron.summary import SummaryJob")
        == lines.index("from .worker.event.a import A") - 1
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def wire(settings):\n    return build()\n", "wire() has no one Service(...) call"),
        ("def other():\n    return Service('a')\n", "wire() has no one Service(...) call"),
        (f"{WIRE}Service('a', events=workers)\n", "wire.py:7: events is no list in brackets"),
        (f"{WIRE}Service('a', **more)\n", "wire.py:7: Service(**...) hides its arguments"),
        (f"{WIRE}Service('a'\n", "wire.py:7: '(' was never closed"),
        (f"{WIRE}Service('a', events=[A()\n    ,])\n", "wire.py:7: put OrderPlacedWorker()"),
    ],
)
def test_a_wire_that_cannot_be_edited_says_what_to_do_by_hand(source, said):
    with pytest.raises(ConfigurationError) as raised:
        with_worker(source, WORKER, "wire.py")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("modes", "mode", "after"),
    [
        ('["api"]', "cron", '["api", "cron"]'),
        ('["api", "cron"]', "events", '["api", "events", "cron"]'),
        ('["cron"]  # only', "events", '["events", "cron"]  # only'),
        ("[]", "cron", '["cron"]'),
        ('["events"]', "events", '["events"]'),
    ],
)
def test_a_mode_is_put_where_the_others_are(modes, mode, after):
    text = "# mine\n[services.a]\nwire = 'a:wire'\nmodes = {}\n\n[sidecar]\nport = 1\n"
    assert with_mode(text.format(modes), "a", mode) == text.format(after)


def test_a_file_that_names_no_modes_stays_as_it_is():
    text = "[services.a]\nwire = 'a:wire'\n"
    assert with_mode(text, "a", "cron") == text


def test_a_service_comes_behind_the_others_and_a_comment_stays_with_its_table():
    text = 'name = "a"\n[services.x]\nwire = "x:wire"\n\n# ours\n# too\n[sidecar]\nport = 1\n'
    after = with_service(text, ServiceAnswers(name="b", port=8001))
    table = after[after.index("[services.b]") : after.index("# ours")]
    assert after == text.replace("# ours", f"{table}# ours")
    assert table.endswith("cron = 8003 }\n\n")


def test_a_service_is_not_put_into_a_text_that_looks_like_a_table():
    text = '[services.x]\nwire = """\n[sidecar]"""\n'
    with pytest.raises(ConfigurationError, match=r"no room for \[services\.b\]"):
        with_service(text, ServiceAnswers(name="b", port=8001))


@pytest.mark.parametrize("text", ["[services.b]\nx = 1\n", "services = {}\n", "x = \n"])
def test_a_service_that_cannot_be_put_in_is_one_line(text):
    with pytest.raises(ConfigurationError, match=r"^workerkit\.toml"):
        with_service(text, ServiceAnswers(name="b", port=8001))
