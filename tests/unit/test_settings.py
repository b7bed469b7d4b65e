"""Settings: where they come from, which beats which, and how a wrong one is told."""

from __future__ import annotations

import pytest

from workerkit.config.settings import MODES, check_mode, read_environment
from workerkit.errors import ConfigurationError
from workerkit.process import Process
from workerkit.project import Project

CODE = """
from workerkit import EventWorker, Service


class OrderWorker(EventWorker[dict]):
    topic = "orders"

    def handle(self, order, context):
        pass


def wire(settings):
    return Service("settled", events=[OrderWorker()])
"""

TOML = """
data = "from-file"
[services.settled]
wire = "settings_sample:wire"
concurrency = 3
ports = { api = 8101, events = 8102, cron = 8103 }
"""

NAMES = ("WORKER_MODE", "WORKER_CONCURRENCY", "WORKER_DRAIN_TIMEOUT", "WORKER_HOST",
         "DATABASE_URL", "LOG_FORMAT", "DAPR_API_TOKEN", "WORKERKIT_DATA", "WORKER_TRANSPORT",
         "DAPR_HTTP_PORT", "DAPR_GRPC_PORT", "APP_PORT", "APP_API_TOKEN")  # fmt: skip


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """None of our variables is set."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def opened(tmp_path):
    """Opens a project with the environment as it is then; closed with the test."""
    (tmp_path / "settings_sample.py").write_text(CODE)
    (tmp_path / "workerkit.toml").write_text(TOML)
    projects = []

    def open_it() -> Project:
        projects.append(Project.open(tmp_path, read_environment()))
        return projects[-1]

    yield open_it
    for project in projects:
        project.close()


def test_defaults():
    environment = read_environment()
    assert environment.worker_mode is None
    assert environment.worker_drain_timeout == 25.0
    assert environment.worker_host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("WORKER_CONCURRENCY", "many"),
        ("WORKER_CONCURRENCY", "0"),
        ("WORKER_CONCURRENCY", "1001"),
        ("WORKER_DRAIN_TIMEOUT", "-1"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_variable_is_named_with_what_it_says(monkeypatch, name, text):
    monkeypatch.setenv(name, text)
    with pytest.raises(ConfigurationError) as refused:
        read_environment()
    assert str(refused.value).startswith(f"environment variable {name}: ")
    assert repr(text) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_variable_counts_as_unset(monkeypatch, name):
    unset = read_environment()
    monkeypatch.setenv(name, "")
    assert read_environment() == unset


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_accepted(mode):
    assert check_mode(mode, "--mode") == mode


@pytest.mark.parametrize(
    ("name", "meant"), [("event", "events"), ("API", "api"), ("inlnie", "inline"), ("x", None)]
)
def test_a_mistyped_mode_names_its_source_and_what_was_meant(name, meant):
    with pytest.raises(ConfigurationError) as refused:
        check_mode(name, "WORKER_MODE")
    assert str(refused.value).startswith(f"WORKER_MODE: no mode {name!r}")
    assert (f"did you mean {meant!r}?" in str(refused.value)) == (meant is not None)
    assert "There is: all, api, cron, events, inline." in str(refused.value)


def test_concurrency_is_flag_then_environment_then_file_then_1(opened, monkeypatch):
    def lanes(flag: int | None = None) -> int:
        process = Process(opened(), "settled", "events", concurrency=flag)
        return len(process.consumers[0].lanes.lanes)

    assert lanes() == 3
    monkeypatch.setenv("WORKER_CONCURRENCY", "5")
    assert lanes() == 5
    assert lanes(flag=7) == 7


@pytest.mark.parametrize(
    ("app_port", "port", "called"), [(None, None, 8202), ("9000", None, 9000), (None, 0, 0)]
)
def test_a_sidecar_calls_100_above_the_port_or_where_it_was_told(
    opened, monkeypatch, app_port, port, called
):
    monkeypatch.setenv("WORKER_TRANSPORT", "dapr")
    monkeypatch.setenv("APP_PORT", app_port or "")
    process = Process(opened(), "settled", "events", port=port)
    assert process.app_port is not None
    assert process.app_port.port == called


@pytest.mark.parametrize("text", ["tcp://10.0.0.1:80", "0", "65536", "-1"])
def test_an_app_port_that_is_none_matters_to_who_is_called_alone(opened, monkeypatch, text):
    monkeypatch.setenv("APP_PORT", text)
    assert Process(opened(), "settled", "events").app_port is None
    monkeypatch.setenv("WORKER_TRANSPORT", "dapr")
    with pytest.raises(ConfigurationError, match=r"APP_PORT.*65535, got"):
        Process(opened(), "settled", "events")


def test_the_sidecar_is_where_the_environment_then_the_file_says(opened, monkeypatch, tmp_path):
    (tmp_path / "workerkit.toml").write_text(
        f'transport = "dapr"\n{TOML}[sidecar]\nport = 3600\npubsub = "bus"\n'
    )
    options = opened().transport.options
    assert (options.http_port, options.grpc_port, options.pubsub) == (3600, 50001, "bus")
    monkeypatch.setenv("DAPR_HTTP_PORT", "3700")
    monkeypatch.setenv("DAPR_GRPC_PORT", "3701")
    options = opened().transport.options
    assert (options.http_port, options.grpc_port) == (3700, 3701)


def test_the_transport_is_the_environments_then_the_files(opened, monkeypatch, tmp_path):
    (tmp_path / "workerkit.toml").write_text(f'transport = "dapr"\n{TOML}')
    assert opened().called() == {"settled": 8202}
    monkeypatch.setenv("WORKER_TRANSPORT", "sqlite")
    assert opened().called() == {}
    assert opened().broker is not None


def test_the_port_is_the_flag_then_the_file(opened):
    assert Process(opened(), "settled", "events").port == 8102
    assert Process(opened(), "settled", "all").port == 8102
    assert Process(opened(), "settled", "events", port=0).port == 0


def test_the_data_folder_is_the_environment_then_the_file(opened, monkeypatch, tmp_path):
    assert opened().data == tmp_path / "from-file"
    monkeypatch.setenv("WORKERKIT_DATA", "elsewhere")
    assert opened().data == tmp_path / "elsewhere"


def test_the_folder_of_a_services_package_names_the_service(opened, tmp_path):
    project = opened()
    (tmp_path / "settings_sample").mkdir()
    assert project.around(tmp_path) is None
    assert project.around(tmp_path / "settings_sample") == "settled"
    assert project.around(tmp_path / "settings_sample" / "deep") == "settled"
    assert project.around(tmp_path / "settings_sample_2") is None
