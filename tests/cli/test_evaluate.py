"""`workerkit evaluate`: NO for a light service, YES for a heavy one, each with its reason."""

from __future__ import annotations

import pytest

from tests.cli.test_loadtest import API, API_TOML
from workerkit.trial.evaluate import volume_of

SHORT = ("--rounds", "2", "--rate", "50", "--events-rate", "20", "--duration", "1s")


def evaluate(shop, code: str, *flags: str):
    shop.write(code, API_TOML)
    answer = shop.call("evaluate", "shop", *flags, "--json")
    assert answer.code == 0, answer.err
    document = (shop.path / "docs" / "evaluations" / "shop.md").read_text()
    return answer.json, document


def test_a_light_service_stays_as_it_is(shop):
    # A fraction of a millisecond each, 20 times a second, and an API that nothing slows;
    # on a busy machine two rounds could show it slower by chance, hence the tolerance.
    told, document = evaluate(shop, API, *SHORT, "--tolerance", "5")
    assert told["answer"] == "NO"
    assert document.startswith("# shop: separate its workers? NO\n\nNO, because handlers are busy")
    assert "20 (as --events-rate says)" in document
    assert "| API p95, inline |" in document and "| API p95, separated |" in document


def test_a_heavy_service_is_separated(shop):
    heavy = API.replace("pass", "time.sleep(0.02)").replace("\n", "\nimport time\n", 1)
    told, document = evaluate(shop, heavy, *SHORT)
    assert told["answer"] == "YES"
    assert "YES, because handlers are busy for" in document
    busy = float(dict(told["evaluation"]["figures"])["handlers busy"].rstrip("%"))
    assert busy >= 40


def test_a_service_without_workers_has_nothing_to_separate(shop):
    toml = API_TOML.replace('["api", "events"]', '["api"]')
    shop.write(API, toml)
    answer = shop.call("evaluate", "shop")
    assert answer.code == 0, answer.err
    assert "NO, because it has no event workers and no jobs: only its API." in answer.out


def test_an_unknown_service_is_refused_with_what_was_meant(shop):
    answer = shop.call("evaluate", "shpo")
    assert answer.code == 2
    assert "did you mean 'shop'" in answer.err


@pytest.mark.parametrize("events", [0, 7])
def test_the_volume_is_that_of_the_workers_that_run(shop, events):
    shop.start(port=None)
    if events:
        shop.call("publish", "orders", "--count", str(events), "--wait", "20")
    project = shop.open()
    found = volume_of(project, "shop")
    project.close()
    assert found.origin.startswith(f"{events} events in" if events else "assumed")


def test_a_service_with_jobs_alone_is_judged_by_its_api(shop):
    cron = API.replace("EventWorker, Service", "CronJob, Service").replace(
        "class OrderWorker(EventWorker[dict]):\n    topic = \"orders\"\n\n"
        "    def handle(self, order, context):",
        "class Sync(CronJob):\n    schedule = \"* * * * *\"\n\n    def run(self, context):",
    ).replace("events=[OrderWorker()]", "cron=[Sync()]")  # fmt: skip
    shop.write(cron, API_TOML.replace('"events"]', '"cron"]'))
    answer = shop.call("evaluate", "shop", *SHORT[:4], "--duration", "1s", "--tolerance", "5")
    assert answer.code == 0, answer.err
    assert "it has jobs alone; those that were due meanwhile ran" in answer.out
    assert "NO, because handlers are busy for 0.0% of the time (0 events/s" in answer.out
