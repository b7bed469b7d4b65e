"""Which ports Prometheus scrapes, as far as files tell; what they cannot tell is said."""

from __future__ import annotations

from contextlib import closing

import pytest

from workerkit.acceptance.evidence import Evidence
from workerkit.acceptance.probes.documents import scraped
from workerkit.config.settings import Environment
from workerkit.errors import ConfigurationError
from workerkit.operate.check_files import find_missing_in_monitoring
from workerkit.operate.scraping import PROMETHEUS, Targets, read_targets
from workerkit.project import Project

STATIC = "static_configs: [{ targets: ['localhost:8001', '[::1]:8002'] }, { targets: [db] }]"

KUBERNETES = "kubernetes_sd_configs: [{ role: pod }]"


@pytest.fixture
def settings(tmp_path):
    """Writes Prometheus' settings with one job of such *lines*; returns the file."""

    def write(*lines: str, beside: str = ""):
        file = tmp_path / PROMETHEUS
        file.parent.mkdir(parents=True, exist_ok=True)
        body = "".join(f"    {line}\n" for line in lines)
        file.write_text(f"{beside}scrape_configs:\n  - job_name: shop\n{body}")
        return file

    return write


@pytest.mark.parametrize(
    ("lines", "ports", "elsewhere"),
    [
        ([STATIC], {8001, 8002, 80}, ()),
        ([STATIC, "scheme: https"], {8001, 8002, 443}, ()),
        (["static_configs:"], set(), ()),
        (["http_sd_configs: []"], set(), ()),
        ([KUBERNETES], set(), ("kubernetes_sd_configs",)),
        ([KUBERNETES, STATIC], {8001, 8002, 80}, ("kubernetes_sd_configs",)),
        (["dns_sd_configs: [{ names: [pricing], type: A, port: 8002 }]"], {8002}, ()),
        (["dns_sd_configs: [{ names: [_x._tcp.shop] }]"], set(), ("dns_sd_configs",)),
        (["file_sd_configs: [{ files: [/etc/nowhere/*.yml] }]"], set(), ("file_sd_configs",)),
    ],
)
def test_what_the_settings_name_is_known_and_the_rest_is_elsewhere(
    settings, lines, ports, elsewhere
):
    assert read_targets(settings(*lines)) == Targets(frozenset(ports), elsewhere)


def test_targets_in_files_beside_the_settings_are_known(settings):
    file = settings("file_sd_configs: [{ files: ['targets/*.json', 'targets/*.yml'] }]")
    (file.parent / "targets").mkdir()
    (file.parent / "targets" / "one.json").write_text('[{"targets": ["a:8001", "b:8002"]}]')
    (file.parent / "targets" / "two.yml").write_text("- targets: ['c:8003']\n")
    assert read_targets(file) == Targets(frozenset({8001, 8002, 8003}), ())


def test_jobs_in_files_of_their_own_are_known(settings):
    file = settings(STATIC, beside="scrape_config_files: ['jobs/*.yml', '*.yml']\n")
    (file.parent / "jobs").mkdir()
    job = "scrape_configs: [{ job_name: x, static_configs: [{ targets: ['a:9'] }] }]"
    (file.parent / "jobs" / "x.yml").write_text(job)
    assert read_targets(file).ports == {8001, 8002, 80, 9}


@pytest.mark.parametrize(
    "line",
    ["static_configs: 5", "static_configs: [{}]", "static_configs: [x]", "file_sd_configs: [x]",
     "dns_sd_configs: [{ names: [x], type: A }]", "static_configs: [{ targets: 5 }]"],
)  # fmt: skip
def test_what_prometheus_would_not_take_is_one_line(settings, line):
    with pytest.raises(ConfigurationError, match=r"prometheus\.yml: not of the shape") as refused:
        read_targets(settings(line))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "- 1\n", "scrape_configs: 5\n", "scrape_configs: [x]\n"])
def test_settings_of_another_kind_are_refused(settings, text):
    file = settings()
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="not of the shape"):
        read_targets(file)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["static_configs: [{ targets: ['a:8001', 'b:8002'] }]"], []),
        ([STATIC.replace("8002", "18002")], [("fail", "scrapes nothing of pricing events")]),
        ([KUBERNETES],
         [("warn", "does not name pricing api, pricing events, and finds targets by "
                   "kubernetes_sd_configs")]),
        ([KUBERNETES, "static_configs: [{ targets: ['a:8001', 'b:8002'] }]"], []),
        (["static_configs: 5"],
         [("fail", "prometheus.yml: not of the shape that Prometheus takes: 'int' object is not "
                   "iterable")]),
    ],
)  # fmt: skip
def test_a_process_is_missing_unless_it_may_be_found(settings, tmp_path, lines, told):
    settings(*lines)
    ports = {"pricing": {"api": 8001, "events": 8002}}
    found = find_missing_in_monitoring(tmp_path, ports)
    assert [(check.level, check.fact) for check in found] == told
    assert all(check.way_out for check in found)


@pytest.mark.parametrize(
    ("lines", "state", "told"),
    [
        (["static_configs: [{ targets: ['b:8002'] }]"], "done", "ports 8002"),
        (["static_configs: [{ targets: ['b:80021'] }]"], "open", "does not scrape port 8002"),
        (["file_sd_configs: [{ files: ['targets/*.yml'] }]"], "unseen", "by file_sd_configs"),
        (["dns_sd_configs: [{ names: [b], type: A, port: 8002 }]"], "done", "ports 8002"),
        ([KUBERNETES], "unseen", "finds targets by kubernetes_sd_configs"),
        (["static_configs: 5"], "open", "not of the shape"),
    ],
)
def test_the_checklist_says_the_same(settings, tmp_path, monkeypatch, lines, state, told):
    settings(*lines)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "scraped_code.py").write_text(
        "from workerkit import Service\n\n\ndef wire(settings):\n    return Service('pricing')\n"
    )
    entry = "[services.pricing]\nwire = 'scraped_code:wire'\nmodes = ['events']\n"
    (tmp_path / "workerkit.toml").write_text(f"name = 'test'\n{entry}")
    with closing(Project.open(tmp_path, Environment())) as project:
        seen = scraped(Evidence(project), ["pricing"])
    assert seen.state == state
    assert told in seen.fact
