from __future__ import annotations

import signal
import subprocess
import sys
import tempfile

import orjson
import psutil
import pytest

from tests.load_server import serving
from tests.ports import free_port

SHORT = ("--rate", "200", "--duration", "500ms", "--warm-up", "0s", "--path", "/")

API = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from workerkit import EventWorker, Service


class OrderWorker(EventWorker[dict]):
    topic = "orders"

    def handle(self, order, context):
        pass


def wire(settings):
    api = lambda: Starlette(routes=[Route("/prices", lambda request: JSONResponse([]))])
    return Service("shop", api=api, events=[OrderWorker()])
"""

API_TOML = """
[services.shop]
wire = "{module}:wire"
modes = ["api", "events"]
ports = {{ api = 0, events = {port}, cron = 0 }}
[loadtest.requests]
shop = [{{ path = "/prices" }}]
"""


def test_a_run_is_judged_kept_and_shown_again(shop):
    with serving("none") as server:
        answer = shop.call("loadtest", "api", "--url", server.url, *SHORT, "--json")
    assert answer.code == 0, answer.err
    (run,) = answer.json["runs"]
    assert run["counts"]["HTTP 200"] == run["counts"]["intended"] == 100
    assert run["figures"]["rate"] == 200
    assert run["machine"]["cores"] >= 1
    assert [check["text"] for check in run["checks"]] == ["p95<150ms", "errors<0.1%"]
    assert shop.call("loadtest", "show", "--json").json == run
    assert run["id"] in shop.call("loadtest", "runs").out
    assert "+0.0%" in shop.call("loadtest", "diff", "latest").out


def test_a_broken_threshold_ends_with_5(shop):
    with serving("none") as server:
        flags = ("--threshold", "p95<0.001ms", "--threshold", "rate>=1/s")
        answer = shop.call("loadtest", "api", "--url", server.url, *SHORT, *flags)
    assert answer.code == 5
    assert "fail" in answer.out and "p95<0.001ms" in answer.out


def test_a_worse_run_than_the_baseline_ends_with_5(shop):
    with serving("none") as server:
        base = shop.call("loadtest", "api", "--url", server.url, *SHORT, "--json").json["runs"][0]
        base["figures"]["rate"] *= 2
        file = shop.path / "base.json"
        file.write_bytes(orjson.dumps(base))
        command = ("loadtest", "api", "--url", server.url, *SHORT)
        worse = shop.call(*command, "--baseline", str(file))
        alike = shop.call(*command, "--baseline", "run:latest", "--tolerance", "9")
    assert (worse.code, alike.code) == (5, 0), worse.out + alike.out
    assert f"(baseline {base['id']})" in worse.out


def test_a_wrong_path_is_a_clear_outcome(shop):
    with serving("missing") as server:
        answer = shop.call("loadtest", "api", "--url", server.url, *SHORT)
    assert answer.code == 5
    assert "HTTP 404 100" in answer.out
    assert "100 %" in answer.out


def test_a_target_that_dies_half_way_ends_with_3_and_its_figures(shop):
    with serving("dies") as server:
        answer = shop.call(
            "loadtest", "api", "--url", server.url, "--path", "/", "--rate", "100",
            "--duration", "60s", "--warm-up", "0s", "--timeout", "500ms",
        )  # fmt: skip
    assert answer.code == 3
    assert "the target stopped answering after" in answer.err
    assert "HTTP 200" in answer.out and "connection refused" in answer.out


def test_a_dead_target_ends_with_3(shop):
    url = f"http://127.0.0.1:{free_port()}"
    answer = shop.call("loadtest", "api", "--url", url, *SHORT)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.startswith(f"workerkit: cannot reach {url}: connection refused")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--rate", "0"), "--rate is 0, must be above 0"),
        (("--duration", "soon"), "--duration is 'soon', must be a duration"),
        (("--threshold", "p95"), "threshold 'p95': must be a figure"),
        (("--threshold", "p59<1s"), "did you mean"),
        (("--baseline", "run:none"), "no run 'none'"),
        (("--baseline", "gone.json"), "gone.json: no such file"),
        (("--url", "http://192.0.2.1"), "192.0.2.1 is not this machine; --allow-host"),
        (("--path", "prices"), "path 'prices': must begin with /"),
    ],
)
def test_what_cannot_be_meant_ends_with_2_and_says_why(shop, flags, said):
    url = () if "--url" in flags else ("--url", "http://127.0.0.1:1")
    answer = shop.call("loadtest", "api", *url, *flags)
    assert answer.code == 2, answer.err
    assert said in answer.err


def test_ctrl_c_ends_with_130_and_what_was_measured(shop):
    with serving("none") as server:
        long = ("--path", "/", "--rate", "100", "--duration", "60s", "--warm-up", "0s")
        command = [sys.executable, "-m", "workerkit", "loadtest", "api", "--url", server.url, *long]
        with subprocess.Popen(
            command, cwd=shop.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            server.process.stdout.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "interrupted; these figures are what was measured until then" in err
    assert "HTTP 200" in out
    assert shop.call("loadtest", "show", "--json").json["ended"] == "interrupted"


def test_a_project_that_does_not_run_is_started_and_leaves_nothing(
    shop, monkeypatch, tmp_path_factory
):
    shop.write(API, API_TOML)
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    answer = shop.call("loadtest", "api", *SHORT[:-2], "--json")
    assert answer.code == 0, answer.err
    (run,) = answer.json["runs"]
    assert run["counts"]["HTTP 200"] == 100
    assert {u["name"] for u in run["usage"]} == {"shop api", "shop events"}
    assert not any(psutil.pid_exists(usage["pid"]) for usage in run["usage"])
    assert list(temporary.iterdir()) == []
    assert not (shop.path / ".workerkit" / "shop.db").exists()


def test_a_copy_never_shares_a_server_that_the_project_names(shop):
    shop.write(API, 'redis = "redis://127.0.0.1:1"\n' + API_TOML)
    answer = shop.call("loadtest", "api", "--own")
    assert answer.code == 2
    assert "its Redis server" in answer.err and "start the project yourself" in answer.err


def test_events_are_measured_through_the_workers_that_run(shop):
    shop.start(port=None)
    answer = shop.call("loadtest", "events", "--count", "200", "--json")
    assert answer.code == 0, answer.err
    assert "the events go into its own data" in answer.err
    (run,) = answer.json["runs"]
    assert run["counts"] == {"published": 200, "applied": 200}
    assert run["what"] == "orders to shop/order: 200 events, all at once"
    assert 0 < run["figures"]["p50"] <= run["figures"]["p99"] <= run["figures"]["max"]


def test_events_are_measured_in_a_copy_when_nothing_runs(shop):
    answer = shop.call("loadtest", "events", "orders", "--count", "100", "--rate", "500")
    assert answer.code == 0, answer.err
    assert "published 100, applied 100" in answer.out
    assert not (shop.path / ".workerkit" / "shop.db").exists()


def test_payloads_of_a_list_are_taken_in_turn_and_dead_letters_break_a_threshold(shop):
    data = '[{"orderId": 1}, {"orderId": 13}]'
    flags = ("--count", "20", "--threshold", "errors<1%")
    answer = shop.call("loadtest", "events", "orders", "--data", data, *flags)
    assert answer.code == 5, answer.err
    assert "published 20, applied 10, dead 10" in answer.out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("nobodys", "--data", "{}"), "nobody in this project listens to 'nobodys'"),
        (("orders", "--data", "[]"), "--data is an empty list"),
        (("orders", "--rate", "0"), "--count and --rate must be above 0"),
    ],
)
def test_events_that_cannot_be_measured_end_with_2(shop, flags, said):
    answer = shop.call("loadtest", "events", *flags)
    assert answer.code == 2, answer.err
    assert said in answer.err


def test_two_layouts_are_compared_in_rounds(shop):
    shop.write(API, API_TOML)
    flags = ("--rounds", "2", "--rate", "50", "--events-rate", "50", "--duration", "500ms")
    answer = shop.call("loadtest", "compare", *flags, "--warm-up", "0s", "--json")
    (run,) = answer.json["runs"]
    assert answer.code in (0, 5, 6), answer.err
    told = {each["figure"]: each for each in run["differences"]}
    assert told["rate"]["inline"] == told["rate"]["separated"] == 50
    assert told["events_errors"]["verdict"] == "not worse"
    # One process fewer.
    assert told["memory"]["separated"] > told["memory"]["inline"]
    assert [check["text"].partition(":")[0] for check in run["checks"]] == ["p50", "p95", "p99"]
    shown = shop.call("loadtest", "show")
    assert "separated is" in shown.out


def test_a_service_without_an_api_cannot_be_compared(shop):
    answer = shop.call("loadtest", "compare")
    assert answer.code == 2
    assert "no service has an API: there is nothing to load" in answer.err


def test_a_ramp_tells_the_highest_rate_that_held(shop):
    shop.write(API, API_TOML)
    flags = ("--start", "20", "--most", "40", "--step", "500ms", "--warm-up", "0s")
    answer = shop.call("loadtest", "ramp", *flags, "--threshold", "errors<1%", "--json")
    assert answer.code == 0, answer.err
    (run,) = answer.json["runs"]
    assert run["figures"] == {"highest_rate": 40}
    assert run["notes"] == ["20/s held", "40/s held"]


def test_a_ramp_in_which_nothing_holds_ends_with_5(shop):
    shop.write(API, API_TOML)
    flags = ("--start", "16", "--step", "500ms", "--warm-up", "0s", "--threshold", "p50<0.001ms")
    answer = shop.call("loadtest", "ramp", *flags)
    assert answer.code == 5, answer.err
    assert "p50<0.001ms was" in answer.out and "no rate holds" in answer.out


def test_a_worker_that_leaks_is_named_by_a_soak(shop):
    leak = API.replace("pass", "self.kept = [*getattr(self, 'kept', []), bytes(500_000)]")
    shop.write(leak, API_TOML)
    answer = shop.call("loadtest", "soak", "--for", "16s", "--rate", "20", "--json")
    assert answer.code == 5, answer.err
    (run,) = answer.json["runs"]
    broken = [check["text"] for check in run["checks"] if check["holds"] is False]
    assert len(broken) == 1
    assert broken[0].startswith("memory of shop events grows by less than")
    assert run["figures"]["rss_slope"] > 1e8


def test_a_run_is_written_as_one_page(shop):
    with serving("none") as server:
        shop.call("loadtest", "api", "--url", server.url, *SHORT)
    answer = shop.call("loadtest", "report", "--out", "report.html")
    assert (answer.code, answer.out) == (0, "written: report.html\n")
    assert "<svg" in (shop.path / "report.html").read_text()
    answer = shop.call("loadtest", "report", "--out", "nowhere/report.html")
    assert (answer.code, answer.err) == (2, "workerkit: --out nowhere/report.html: "
                                            "No such file or directory\n")  # fmt: skip


def test_requests_of_the_project_file_are_sent_with_their_bodies_and_weights(shop):
    both = """Route("/prices", lambda request: JSONResponse([])),
                          Route("/stock", set_stock, methods=["POST"])"""
    handler = """
async def set_stock(request):
    right = await request.json() == {"newStock": 5}
    return JSONResponse({}, 201 if right else 400)


def wire"""
    code = API.replace("""Route("/prices", lambda request: JSONResponse([]))""", both)
    body = """, weight = 3 }}, {{ path = "/stock", method = "POST", body = {{ newStock = 5 }} }}]"""
    shop.write(code.replace("\ndef wire", handler), API_TOML.replace(" }}]", body))
    answer = shop.call("loadtest", "api", *SHORT[:-2], "--json")
    assert answer.code == 0, answer.err
    (run,) = answer.json["runs"]
    assert (run["counts"]["HTTP 200"], run["counts"]["HTTP 201"]) == (75, 25)


def test_a_wrong_entry_of_the_project_file_is_named(shop):
    shop.write(API, API_TOML.replace("path", "paht"))
    answer = shop.call("loadtest", "api")
    assert answer.code == 2
    assert "loadtest.requests.shop.0.path: Field required" in answer.err


def test_an_api_of_which_nothing_can_be_asked_says_what_to_give(shop):
    shop.write(API, API_TOML.partition("[loadtest")[0])
    answer = shop.call("loadtest", "api", "shop")
    assert answer.code == 2
    assert "/openapi.json offers no GET without parameters (nothing): give --path" in answer.err
