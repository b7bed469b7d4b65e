"""`workerkit run` and the root command, as real processes."""

from __future__ import annotations

import os
import re
import signal
import socket
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.ports import free_port
from tests.started import Place, ask
from tests.waiting import until

EVENTS = """
import time
from pathlib import Path
from workerkit import EventWorker, Service


class OrderWorker(EventWorker[dict]):
    topic = "orders"

    def handle(self, order, context):
        Path("handling").write_text("")
        time.sleep(order["seconds"])
        Path("handled").write_text("")


def wire(settings):
    return Service("{name}", events=[OrderWorker()])
"""

API = """
from starlette.applications import Starlette
from workerkit import Service


def wire(settings):
    return Service("web", api=Starlette)
"""


@pytest.fixture
def place(place) -> Place:
    """Services `pricing` and `catalog` with events, `web` with an API."""
    toml = 'name = "test"\n'
    for name in ("pricing", "catalog", "web"):
        code = API if name == "web" else EVENTS.format(name=name)
        place.write(f"{name}/wire.py", code)
        place.write(f"{name}/__init__.py", "")
        ports = f"{{ api = {free_port()}, events = {free_port()} }}"
        toml += f'[services.{name}]\nwire = "{name}.wire:wire"\nports = {ports}\n'
    place.write("workerkit.toml", toml)
    return place


def ports(place: Place, mode: str) -> list[int]:
    text = (place.folder / "workerkit.toml").read_text()
    return [int(port) for port in re.findall(rf"{mode} = (\d+)", text)]


def busy(place: Place, seconds: float):
    """A running worker whose handler takes *seconds*."""
    order = f'{{"seconds": {seconds}}}'
    assert place.call("publish", "orders", "--data", order)[0] == 0
    worker = place.start("run", "pricing", "--port=0").says(": running on port")
    until((place.folder / "handling").exists)
    return worker


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["--mode=evnts"], {}, "--mode: no mode 'evnts'; did you mean 'events'?"),
        ([], {"WORKER_MODE": "evnts"}, "WORKER_MODE: no mode 'evnts'; did you mean 'events'?"),
        (["prcing"], {}, "no service 'prcing'; did you mean 'pricing'?"),
        (["web", "--mode=events"], {}, "service 'web' has nothing for mode 'events'; it has: api"),
        (["pricing"], {"WORKER_MODE": "api"}, "nothing for mode 'api'; it has: events"),
        (["--mode=cron"], {}, "no service has anything for mode 'cron': pricing has events; "),
        (["--port=1"], {}, "--port is for one service; name one: pricing, catalog"),
        (["pricing"], {"WORKER_DRAIN_TIMEOUT": "x"}, "variable WORKER_DRAIN_TIMEOUT:"),
        (["--concurrency=0"], {}, "--concurrency"),
    ],
)
def test_what_cannot_be_run_is_told_with_what_there_is_and_exit_2(
    place, arguments, variables, said
):
    code, text = place.call("run", *arguments, **variables)
    assert code == 2, text
    assert said in text
    assert "Traceback" not in text


def test_the_flag_beats_worker_mode(place):
    running = place.start("run", "web", "--mode=api", WORKER_MODE="nonsense")
    running.says("web api: running on port")
    assert running.signal(signal.SIGTERM) == 0


def test_worker_mode_beats_the_default(place):
    running = place.start("run", "pricing", "--port=0", WORKER_MODE="events")
    running.says("pricing events: running on port")
    assert running.signal(signal.SIGINT) == 130


def test_without_a_mode_a_service_runs_what_it_has(place):
    assert place.start("run", "web").says("web api: running on port").signal(signal.SIGTERM) == 0
    running = place.start("run", "pricing").says("pricing all: running on port")
    assert running.signal(signal.SIGTERM) == 0


def test_inside_a_services_folder_that_service_runs(place):
    place.write("catalog/deep/x.txt", "")
    running = place.start("run", below="catalog/deep").says("catalog all: running on port")
    assert running.signal(signal.SIGTERM) == 0


def test_a_taken_port_names_its_owner_and_exits_with_4(place):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        code, text = place.call("run", "pricing", f"--port={port}")
    assert (code, f"port {port}" in text, f"pid {os.getpid()} " in text) == (4, True, True), text


def test_a_database_that_cannot_be_opened_exits_with_3(place):
    code, text = place.call("run", "pricing", DATABASE_URL=f"sqlite:///{place.folder}")
    assert (code, len(text.splitlines())) == (3, 1), text


def test_the_first_signal_lets_the_handler_finish(place):
    worker = busy(place, 1.0)
    assert worker.signal(signal.SIGTERM) == 0
    assert (place.folder / "handled").exists()
    assert "stopped, gave back 0" in worker.said


def test_what_does_not_finish_in_time_is_given_back(place):
    assert place.call("publish", "orders", "--data", '{"seconds": 30}')[0] == 0
    worker = place.start("run", "pricing", "--port=0", WORKER_DRAIN_TIMEOUT="0.3")
    until((place.folder / "handling").exists)
    assert worker.signal(signal.SIGINT) == 130
    assert "stopped, gave back 1" in worker.said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_stops_at_once(place, number, code):
    worker = busy(place, 20.0)
    worker.process.send_signal(number)
    until(lambda: ask_status(worker) == "stopped")
    assert worker.signal(number) == code
    assert not (place.folder / "handled").exists()


def ask_status(worker) -> str:
    port = int(worker.said.partition("running on port ")[2].partition(",")[0])
    return ask(port).get("status", "")


def test_at_the_root_every_service_with_the_mode_runs_on_its_own_port(place):
    running = place.start("run", "--mode=events").says("running: ")
    first, second, _ = ports(place, "events")
    assert [ask(port)["service"] for port in (first, second)] == ["pricing", "catalog"]
    killed = next(p for p in children(running) if "catalog" in p.cmdline())
    killed.kill()
    running.says("catalog events was ended by SIGKILL; starting it again")
    until(lambda: ask(second).get("status") == "running")
    assert running.signal(signal.SIGTERM) == 0
    assert running.said.count("stopped, gave back 0") == 2
    assert place.left() == []


def test_a_service_that_cannot_start_stops_the_others_and_gives_its_exit_code(place):
    place.write("catalog/wire.py", "import nothing_like_it")
    toml = (place.folder / "workerkit.toml").read_text()
    place.write("workerkit.toml", toml.replace(':wire"\n', ':wire"\nmodes = ["events"]\n', 2))
    code, text = place.call("run", "--mode=events")
    assert code == 2
    assert "catalog/wire.py:1: ModuleNotFoundError: No module named 'nothing_like_it'" in text
    assert place.left() == []


def test_all_taken_ports_are_told_at_once(place):
    first, second, _ = ports(place, "events")
    with (
        closing(socket.create_server(("127.0.0.1", first))),
        closing(socket.create_server(("127.0.0.1", second))),
    ):
        code, text = place.call("run", "--mode=events")
    assert code == 4
    assert f"{first} (pricing events) by pid {os.getpid()}" in text
    assert f"{second} (catalog events) by pid {os.getpid()}" in text


def test_children_end_with_a_run_that_is_killed(place):
    running = place.start("run", "--mode=events").says("running: ")
    assert len(children(running)) == 2
    running.signal(signal.SIGKILL)
    until(lambda: not place.left(), 5)


def children(running) -> list[psutil.Process]:
    return psutil.Process(running.process.pid).children(recursive=True)


def test_replicas_answer_on_one_port_and_are_started_again_alone(place):
    running = place.start("run", "pricing", "--processes=2", "--port=0").says("2 processes")
    port = int(re.search(r"running on port (\d+), 2 processes", running.said)[1])
    first, second = children(running)
    assert place.call("publish", "orders", "--count=6", "--data", '{"seconds": 0}')[0] == 0
    until(lambda: ask(port)["workers"][0]["jobs_processed"] == 6)
    first.kill()
    until(lambda: ask(port)["processes"] in (["silent", "running"], ["running", "silent"]))
    assert ask(port)["status"] == "degraded"
    until(lambda: ask(port)["processes"] == ["running", "running"])
    assert second.is_running()
    running.says("was ended by SIGKILL; starting it again")
    assert running.signal(signal.SIGTERM) == 0
    assert place.left() == []


def test_replicas_of_an_api_are_refused(place):
    code, text = place.call("run", "web", "--mode=api", "--processes=2")
    assert (code, "--processes is for workers" in text) == (2, True), text


def test_an_error_in_user_code_is_one_line_and_with_debug_a_traceback(place):
    place.write("pricing/wire.py", "def wire(settings):\n    return settings.nothing\n")
    code, text = place.call("run", "pricing")
    assert (code, len(text.splitlines())) == (2, 1), text
    assert text.startswith("workerkit: pricing/wire.py:2: AttributeError: ")
    code, text = place.call("--debug", "run", "pricing")
    assert (code, text.startswith("Traceback")) == (2, True)


def test_a_mistyped_command_says_what_was_meant(place):
    code, text = place.call("pubish")
    assert (code, "'publish'" in text) == (2, True)


def test_version_is_the_packages(place):
    code, text = place.call("--version")
    assert (code, bool(re.fullmatch(r"workerkit \d+\.\d+\.\d+\n", text))) == (0, True)


def test_a_folder_without_a_project_says_what_it_needs(place):
    (place.folder / "workerkit.toml").unlink()
    code, text = place.call("run")
    assert (code, "needs a workerkit.toml" in text) == (2, True)
    assert Path(place.folder / ".workerkit").exists() is False
