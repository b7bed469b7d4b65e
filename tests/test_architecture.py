"""The package keeps the house's rules, and the checker that says so finds each breach."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture import Module, Rules, read, violations

ROOT = Path(__file__).parents[1]

RULES = Rules(
    layers=[
        ["errors"],
        ["core", "config", "connections"],
        ["events", "cron"],
        ["transports", "state", "storage", "observability"],
        ["sidecar", "dashboard", "chaos", "loadtest", "scaffold", "operate"],
        ["project", "app_port"],
        ["publisher", "process", "trigger"],
        ["story", "trail", "trial", "acceptance"],
        ["testing", "lookout"],
        ["cli"],
    ],
    # A mistyped name is answered alike for a setting and for a service.
    meetings=[("config", "core")],
    homes={
        "anyio": ["observability.server"],
        "dapr": [
            "transports.dapr",
            "sidecar.grpc_api",
            "sidecar.grpc_events",
            "sidecar.grpc_server",
        ],
        "google": ["sidecar.grpc_api"],
        "grpc": ["sidecar.grpc_api", "sidecar.grpc_server"],
        "httptools": ["loadtest"],
        "jinja2": ["scaffold.templates"],
        "prometheus_client": [
            "observability.metrics",
            "observability.merged",
            "observability.requests",
        ],
        "opentelemetry": ["observability.tracing"],
        "psutil": ["core.child", "observability.server", "operate", "chaos", "loadtest"],
        "psycopg": ["storage"],
        "pydantic": ["config", "events", "sidecar"],
        "pydantic_settings": ["config.settings", "config.sidecar"],
        "redis": ["connections", "transports.redis_streams"],
        "rich": ["cli.show", "cli.show_chaos", "cli.show_load", "cli.show_top"],
        "schedule": ["cron"],
        "sqlalchemy": ["storage"],
        "starlette": ["observability", "sidecar", "dashboard"],
        "tomlkit": ["scaffold.project_files"],
        "typer": ["cli"],
        "uvicorn": ["observability.server"],
        "watchfiles": ["operate"],
        "yaml": ["config.dapr_files", "operate.compose"],
    },
    # The one JSON codec; every wire format of ours is JSON.
    anywhere=["orjson"],
    # show.py asks what the terminal is (COLUMNS, NO_COLOR); that is no setting of ours.
    environment_readers=["config", "cli.show"],
)

DISTRIBUTIONS = {
    "opentelemetry": "opentelemetry-sdk",
    "google": "protobuf",
    "grpc": "grpcio",
    "prometheus_client": "prometheus-client",
    "pydantic_settings": "pydantic-settings",
    "yaml": "pyyaml",
}
"""Import names whose distribution is called otherwise."""

BY_NAME = {"tzdata"}
"""Loaded by others when it is there: zoneinfo finds its zones."""


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return read(ROOT / "workerkit")


def test_the_package_keeps_every_rule():
    broken = violations(ROOT / "workerkit", RULES)
    assert not broken, "\n" + "\n".join(broken)


def test_every_import_is_a_declared_dependency_and_every_dependency_is_imported(modules):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {distribution(line) for line in project["dependencies"]}
    extras = project["optional-dependencies"].values()
    declared = needed | {distribution(line) for lines in extras for line in lines}
    imported = {
        DISTRIBUTIONS.get(top, top)
        for module in modules
        for each in module.imports
        if not each.inside and (top := each.target.partition(".")[0]) not in sys.stdlib_module_names
    }
    assert sorted(imported - declared) == [], "imported but not declared"
    assert sorted(needed - imported - BY_NAME) == [], "declared but not imported"


def distribution(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9_.-]+", requirement)[0]


SMALL = Rules(
    layers=[["errors"], ["core"], ["events", "cron"], ["storage", "transports"], ["cli"]],
    homes={"typer": ["cli"], "sqlalchemy": ["storage"]},
    anywhere=["orjson"],
)

CLEAN = {
    "__init__.py": '"""A package."""\n',
    "errors.py": "class Root(Exception): ...\n",
    "core/__init__.py": '"""Core."""\n',
    "core/clock.py": "from ..errors import Root\n",
    "events/__init__.py": '"""Events."""\n',
    "events/worker.py": (
        "from typing import TYPE_CHECKING\nimport orjson\nfrom ..core import clock\n"
        "if TYPE_CHECKING:\n    from sqlalchemy.orm import Session\n"
    ),
    "cron/__init__.py": '"""Cron."""\n',
    "storage/__init__.py": '"""Storage."""\n',
    "storage/tables.py": "import sqlalchemy\n",
    "storage/store.py": "from . import tables\nfrom ..events.worker import Session\n",
    "transports/__init__.py": '"""Transports."""\nfrom .memory import Memory\n',
    "transports/memory.py": "import json\nMemory = json\n",
    "cli/__init__.py": '"""The command line."""\n',
    "cli/app.py": "import typer\nfrom ..storage.store import tables\nprint(1)\n",
}


@pytest.fixture
def package(tmp_path):
    """Makes the small clean package, with some files replaced."""

    def make(files: dict[str, str] | None = None) -> Path:
        for name, text in {**CLEAN, **(files or {})}.items():
            path = tmp_path / "small" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "small"

    return make


def test_a_clean_package_has_no_violation(package):
    assert violations(package(), SMALL) == []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"core/loop.py": "from ..events.worker import x\n"}, "core imports events, which lies"),
        (
            {"core/loop.py": "def f():\n    from ..cli.app import x\n"},
            "core.loop:2: core imports cli, which lies above it",
        ),
        (
            {
                "core/clock.py": (
                    "from typing import TYPE_CHECKING\n"
                    "if TYPE_CHECKING:\n    from ..storage.store import x\n"
                )
            },
            "core.clock:3: core imports storage",
        ),
        ({"events/worker.py": "from ..cron import x\n"}, "events imports its peer cron"),
        ({"events/worker.py": "from .. import cron\n"}, "events imports its peer cron"),
        ({"storage/store.py": "from ..transports import x\n"}, "storage imports its peer"),
        ({"strange.py": "x = 1\n"}, "no layer names 'strange'"),
        ({"core/clock.py": "from small.errors import Root\n"}, "imports from the package itself"),
        ({"core/clock.py": "import small\n"}, "imports from the package itself"),
        ({"core/clock.py": "from .. import name\n"}, "imports from the package itself"),
        ({"events/worker.py": "import sqlalchemy.orm\n"}, "sqlalchemy, whose home is: storage"),
        (
            {"events/worker.py": "def f():\n    from sqlalchemy import text\n"},
            "events.worker:2: imports sqlalchemy",
        ),
        (
            {
                "events/worker.py": (
                    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\n"
                    "else:\n    import sqlalchemy\n"
                )
            },
            "events.worker:5: imports sqlalchemy",
        ),
        ({"events/worker.py": "import requests\n"}, "requests, whose home is: not in the table"),
        ({"core/__init__.py": "x = 1\n"}, "core:1: package without a docstring"),
        ({"core/clock.py": "x = 1\n" * 401}, "401 lines, at most 400"),
        ({"core/clock.py": "def f():\n" + "    x = 1\n" * 50}, "f() has 51 lines"),
        ({"core/clock.py": "def f():\n    global x\n    x = 1\n"}, "core.clock:2: global x"),
        ({"core/clock.py": "import os\nx = os.environ\n"}, "core.clock:2: reads the environment"),
        ({"core/clock.py": "from os import getenv\n"}, "core.clock:1: reads the environment"),
        ({"core/clock.py": "print(1)\n"}, "core.clock:1: prints"),
        (
            {"core/clock.py": "from .loop import x\n", "core/loop.py": "from . import clock\n"},
            "import cycle: core.clock -> core.loop -> core.clock",
        ),
        (
            {
                "core/clock.py": "from .loop import x\n",
                "core/loop.py": "def f():\n    from .hooks import x\n",
                "core/hooks.py": "from .clock import x\n",
            },
            "import cycle: core.clock -> core.loop -> core.hooks -> core.clock",
        ),
    ],
)
def test_a_broken_rule_is_the_only_thing_that_is_told(package, files, said):
    (line,) = violations(package(files), SMALL)
    assert said in line


def test_a_cycle_that_only_types_close_is_none(package):
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .clock import x\n"
    files = {"core/clock.py": "from .loop import x\n", "core/loop.py": typed}
    assert violations(package(files), SMALL) == []
