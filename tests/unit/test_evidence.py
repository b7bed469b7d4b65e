"""What the checklist knows of a project is looked at once."""

from __future__ import annotations

import importlib
from contextlib import closing

from workerkit.acceptance.evidence import Evidence
from workerkit.config.settings import Environment
from workerkit.project import Project

CODE = """
from workerkit import Service

calls = []


def whole(settings):
    calls.append(settings.service)
    return Service("whole")


def broken(settings):
    calls.append(settings.service)
    raise ValueError("no price")
"""

TOML = """
name = "test"
[services.whole]
wire = "evidence_code:whole"
[services.broken]
wire = "evidence_code:broken"
"""


def test_a_service_that_cannot_be_wired_is_tried_once(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evidence_code.py").write_text(CODE)
    (tmp_path / "workerkit.toml").write_text(TOML)
    with closing(Project.open(tmp_path, Environment())) as project:
        evidence = Evidence(project)
        assert (list(evidence.services), list(evidence.broken)) == (["whole"], ["broken"])
        assert "ValueError: no price" in evidence.broken["broken"]
        assert evidence.main == ["broken"]
    assert importlib.import_module("evidence_code").calls == ["whole", "broken"]
