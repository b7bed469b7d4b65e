from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from workerkit.core.chart import HEIGHT, WIDTH, chart
from workerkit.errors import ConfigurationError
from workerkit.loadtest.compare import Difference
from workerkit.loadtest.html import charts, page
from workerkit.loadtest.run import Run, Runs, read, worst
from workerkit.loadtest.thresholds import Check
from workerkit.loadtest.usage import Sample, Usage

RUN = Run(
    id="20261125-160000-api",
    kind="api",
    at=1.8e9,
    what="pricing: GET /<script>alert(1)</script>",
    figures={"p95": 0.0123, "errors": 0.001},
    counts={"intended": 1000},
    checks=(Check("p95<150ms", True, "12.30 ms"), Check("x", False, "y"), Check("x", None, "y")),
    notes=("a & b",),
    series={"p50": [0.001, 0.002], "p95": [0.01, 0.02], "p99": [0.1, 0.2], "lag": [0, 5, 3]},
    curve=((50, 0.001), (99, 0.1), (100, 0.2)),
    usage=(Usage("pricing api", 7, 0.5, 0.9, 10**8, 2 * 10**8, 20,
                 (Sample(1.0, 0.5, 10**8, 20), Sample(2.0, 0.9, 2 * 10**8, 20))),),
    differences=(Difference("p95", 0.02, 0.01, 0.5, 0.4, 0.6, "better"),),
)  # fmt: skip


def test_a_report_needs_nothing_from_elsewhere_and_runs_nothing():
    text = page(RUN)
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert not re.search(r"(src|href)=|url\(|@import|https?:", text)


def test_a_report_holds_what_was_measured():
    text = page(RUN)
    for expected in ("12.30 ms", "not proven", "0.50 [0.40 to 0.60]", "a &amp; b", "1,000"):
        assert expected in text
    titles = [title for title, drawn in charts(RUN) if drawn]
    assert titles == ["Latency over time", "Latency by percentile", "Lag over time", "CPU",
                      "Memory"]  # fmt: skip


def test_a_report_of_an_empty_run_has_no_chart():
    empty = replace(RUN, series={}, curve=(), usage=(), ended="interrupted")
    assert "<svg" not in page(empty)
    assert "interrupted" in page(empty)


@pytest.mark.parametrize(
    "line",
    [[(0, 0.0)], [(0, 0.0), (1, 0.0)], [(0, 1e-6), (5, 3e9)], [(n, n * 7.3) for n in range(500)]],
)
def test_every_point_of_a_chart_lies_inside_it(line):
    drawn = chart({"a<b": line}, across=str, up=str, label='say "hi"')
    (path,) = ElementTree.fromstring(drawn).iter("polyline")
    places = [tuple(map(float, place.split(","))) for place in path.get("points").split()]
    assert len(places) == len(line)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)


def test_a_run_comes_back_as_it_was_kept(tmp_path):
    kept = Runs(tmp_path).save(RUN)
    again = read(tmp_path / "runs" / f"{RUN.id}.json")
    assert again.figures == kept.figures
    assert (again.checks, again.usage, again.differences) == (
        RUN.checks, RUN.usage, RUN.differences,
    )  # fmt: skip
    assert page(again) == page(kept)


def test_two_runs_of_one_second_have_names_of_their_own(tmp_path):
    runs = Runs(tmp_path)
    names = [runs.save(RUN).id for _ in range(3)]
    assert names == [RUN.id, f"{RUN.id}-2", f"{RUN.id}-3"]
    assert runs.find("latest").id == names[-1]
    assert runs.find("20261125").id == names[-1]
    assert runs.find(RUN.id).id == RUN.id


def test_what_is_no_run_is_told(tmp_path):
    file = tmp_path / "x.json"
    file.write_text('{"id": 1}')
    with pytest.raises(ConfigurationError, match="is no stored run"):
        read(file)


@pytest.mark.parametrize(
    ("holds", "ended", "code"),
    [
        ([True], "", 0), ([True, False, None], "", 5), ([True, None], "", 6), ([], "", 0),
        ([False], "interrupted", 130), ([True], "the target answered nothing", 3),
    ],
)  # fmt: skip
def test_the_exit_code_is_that_of_the_worst(holds, ended, code):
    checks = tuple(Check("x", each, "y") for each in holds)
    assert replace(RUN, checks=checks, ended=ended).exit_code == code


@pytest.mark.parametrize(
    ("codes", "code"), [([], 2), ([0, 6], 6), ([6, 5], 5), ([5, 3, 0], 3), ([3, 130], 130)]
)
def test_of_several_runs_the_gravest_decides(codes, code):
    ends = {0: (True, ""), 5: (False, ""), 6: (None, ""), 3: (True, "gone"),
            130: (True, "interrupted")}  # fmt: skip
    runs = [
        replace(RUN, checks=(Check("x", ends[each][0], "y"),), ended=ends[each][1])
        for each in codes
    ]
    assert worst(runs) == code
