"""The shop is a project from the templates, with handlers of its own."""

from __future__ import annotations

import shutil
from difflib import ndiff
from pathlib import Path

import pytest

from tests.desk import edit
from workerkit.config.answers import read_answers
from workerkit.scaffold.templates import render
from workerkit.scaffold.updating import plan_update

SHOP = Path(__file__).parents[2] / "examples" / "shop"

GENERIC = ("__main__.py", "worker/__init__.py", "event/__init__.py", "cron/__init__.py",
           "pyproject.toml", ".gitignore", "Dockerfile", ".dockerignore", ".env",
           "docker-compose.yml", "wheels/README.md", "docs/WORKERS_RUNBOOK.md",
           "docs/WORKERS_DEPLOYMENT_PLAN.md")  # fmt: skip

OWN = {
    "docker-compose.yml": [
        "      WAREHOUSE_URL: http://warehouse-service:8021",
        "      WAREHOUSE_URL: http://warehouse-service:8021",
        "      warehouse-service:",
        "        condition: service_healthy",
    ],
    "deploy/k8s/base/catalog.yaml": [
        "            - name: WAREHOUSE_URL",
        "              value: http://warehouse-service:8021",
        "            - name: WAREHOUSE_URL",
        "              value: http://warehouse-service:8021",
    ],
}
"""Lines that the shop has put into generic files."""


@pytest.fixture
def shop(desk, monkeypatch):
    shutil.copytree(SHOP, desk.project, ignore=shutil.ignore_patterns(".workerkit", ".*_cache"))
    monkeypatch.chdir(desk.project)
    return desk


def test_rendering_the_shop_again_changes_nothing():
    update = plan_update(SHOP)
    assert (update.old, update.plan.changes) == (update.new, ())
    rendered = {
        path: text
        for path, text in render(read_answers(SHOP)).items()
        if path.endswith(GENERIC) or path.startswith("deploy/")
    }
    ours = {path: (SHOP / path).read_text() for path in rendered}
    assert {path: ours[path] for path in ours.keys() - OWN.keys()} == {
        path: rendered[path] for path in rendered.keys() - OWN.keys()
    }
    for path, added in OWN.items():
        changed = [line for line in ndiff(rendered[path].splitlines(), ours[path].splitlines())
                   if not line.startswith(" ")]  # fmt: skip
        assert sorted(changed) == sorted(f"+ {line}" for line in added)
    assert len(rendered) == 53


def test_a_newer_template_reaches_the_shop_and_its_handlers_stay(shop):
    files = shop.release(2) / "service" / "files" / "{{ service }}"
    edit(files / "wire.py.jinja", "The one place where", "Where")
    edit(files / "api" / "__main__.py.jinja", '"run"', '"--debug", "run"')
    handler = (shop.project / "pricing/worker/event/stock_updated.py").read_text()
    assert shop.call("update").code == 0
    for service in ("pricing", "catalog", "warehouse"):
        wire = (shop.project / service / "wire.py").read_text()
        assert wire.startswith(f'"""Where {service} is put together."""')
        assert '"--debug", "run"' in (shop.project / service / "api/__main__.py").read_text()
    assert "PriceSyncJob(pricing)," in (shop.project / "pricing/wire.py").read_text()
    assert (shop.project / "pricing/worker/event/stock_updated.py").read_text() == handler


def test_the_shop_has_nothing_wrong_and_takes_one_more_worker(shop):
    answer = shop.call("check")
    assert answer.code == 0, answer.out
    answer = shop.call("add", "event-worker", "order.placed", "--service", "warehouse")
    assert answer.code == 0, answer.err
    assert "            OrderPlacedWorker()," in (shop.project / "warehouse/wire.py").read_text()
