"""The templates are copier's: it renders them as we do."""

from __future__ import annotations

import copier
import pytest

from workerkit.scaffold.templates import _rendered, newest_version, templates_folder

ANSWERS = {
    "project": {
        "name": "Acme_1",
        "label": "acme-1",
        "services": [
            {
                "name": "order_items", "label": "order-items", "port": 8001,
                "modes": ["api", "events", "cron"], "topics": ["order.placed", "1.0"],
                "cron": ["summary"],
            },
        ],
        "workers": True,
        "events": True,
    },
    "service": {
        "service": "orders",
        "label": "orders",
        "project": "acme-1",
        "port": 8001,
        "modes": ["api", "cron"],
        "workers": [{"kind": "cron", "module": "summary", "cls": "SummaryJob"}],
        "events": [],
        "cron": ["SummaryJob"],
    },
    "event-worker": {
        "service": "orders",
        "topic": "order.placed",
        "module": "order_placed",
        "payload": "OrderPlaced",
    },
    "cron-job": {
        "service": "orders",
        "job": "summary",
        "cls": "SummaryJob",
        "schedule": "@daily",
        "spelled": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("template", ANSWERS)
def test_copier_renders_a_template_to_the_same_files(tmp_path, template):
    source = templates_folder() / str(newest_version()) / template
    copier.run_copy(
        str(source), tmp_path, data=ANSWERS[template], defaults=True, quiet=True,
        settings=copier.Settings(),
    )  # fmt: skip
    found = {
        path.relative_to(tmp_path).as_posix(): path.read_text()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert found == dict(_rendered(source, ANSWERS[template]))


def test_every_version_has_every_template():
    for version in range(1, newest_version() + 1):
        there = (path.name for path in (templates_folder() / str(version)).iterdir())
        assert sorted(there) == sorted(ANSWERS)
