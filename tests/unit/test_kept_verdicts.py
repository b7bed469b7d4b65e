"""Verdicts that are remembered, and whether the code is still what they were about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.test_chaos_verdict import evidence
from workerkit.chaos.kept import Kept, Verdicts
from workerkit.chaos.verdict import judge
from workerkit.core.source import digest, source_files, syntax_errors
from workerkit.errors import Unreachable


def kept(scenario: str = "kill-worker", at: float = 10.0) -> Kept:
    return Kept(scenario, "shop", at, 3.0, "c0de", judge(evidence()))


def test_the_last_verdict_of_each_scenario_is_kept(tmp_path):
    verdicts = Verdicts(tmp_path)
    other = replace(kept(), service="other")
    for each in (kept(at=1.0), kept("lose-db"), other, kept(at=2.0)):
        verdicts.save(each)
    found = verdicts.all()
    assert sorted(found) == [("kill-worker", "other"), ("kill-worker", "shop"), ("lose-db", "shop")]
    bare = replace(kept().verdict, faults=(), course=())
    assert found["kill-worker", "shop"] == replace(kept(at=2.0), verdict=bare)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"scenario": "x"}', '{"verdict": 1}'])
def test_a_file_that_is_no_verdict_counts_as_none(tmp_path, text):
    Verdicts(tmp_path).save(kept())
    (tmp_path / "chaos" / "kill-worker-shop.json").write_text(text)
    assert Verdicts(tmp_path).all() == {}


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "chaos").write_text("a file")
    with pytest.raises(Unreachable, match=r"cannot write .*chaos/kill-worker-shop\.json: "):
        Verdicts(tmp_path).save(kept())


def test_the_digest_is_of_the_services_code_alone(tmp_path):
    files = {"pricing/wire.py": "a = 1\n", "tests/test_a.py": "", "flat.py": "b = 1\n"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def now() -> str:
        return digest(source_files(tmp_path, ["pricing.wire:wire", "flat:wire"]), tmp_path)

    first = now()
    (tmp_path / "tests" / "test_a.py").write_text("changed = 1\n")
    assert now() == first
    seen = {first}
    for change in ("pricing/wire.py", "flat.py", "pricing/new.py"):
        (tmp_path / change).write_text("c = 3\n")
        seen.add(now())
    (tmp_path / "pricing" / "new.py").rename(tmp_path / "pricing" / "newer.py")
    seen.add(now())
    assert len(seen) == 5


def test_a_file_that_python_cannot_read_is_named_with_its_line(tmp_path):
    (tmp_path / "good.py").write_text("a = 1\n")
    (tmp_path / "bad.py").write_text("a = 1\ndef f(:\n")
    found = list(syntax_errors(sorted(tmp_path.glob("*.py")), tmp_path))
    assert found == ["bad.py:2: invalid syntax"]
