"""The three-way merge of lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerkit.scaffold.merge import has_conflict, merge

BASE = "a\nb\nc\nd\ne\n"

texts = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n"]), max_size=12).map("".join)


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        pytest.param("A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "A\nb\nc\nd\nE\n", id="far apart"),
        pytest.param(
            "a\nb\nc\nd\ne\nf\n", "z\na\nb\nc\nd\ne\n", "z\na\nb\nc\nd\ne\nf\n", id="ends"
        ),
        pytest.param("b\nc\nd\ne\n", "a\nb\nc\nd\n", "b\nc\nd\n", id="both delete"),
        pytest.param("a\nX\nc\nd\ne\n", "a\nX\nc\nd\nE\n", "a\nX\nc\nd\nE\n", id="alike"),
        pytest.param("a\nb\nx\ny\nc\nd\ne\n", "a\nb\nc\nd\n", "a\nb\nx\ny\nc\nd\n", id="insert"),
        pytest.param("a\nb\nc\nd\ne", "A\nb\nc\nd\ne\n", "A\nb\nc\nd\ne", id="no end of line"),
    ],
)
def test_changes_of_different_lines_are_both_there(ours, theirs, merged):
    result = merge(BASE, ours, theirs, "new")
    assert (result.text, result.conflicts) == (merged, 0)


def test_a_line_that_both_changed_is_between_markers():
    result = merge(BASE, "a\nb\nours\nd\ne\n", "a\nb\ntheirs\nd\ne\n", "templates 2")
    assert result.conflicts == 1
    assert result.text == (
        "a\nb\n<<<<<<< yours\nours\n||||||| before\nc\n=======\ntheirs\n>>>>>>> templates 2\nd\ne\n"
    )
    assert has_conflict(result.text)
    assert not has_conflict("a\n=======\nb\n")


def test_a_marker_stands_on_a_line_of_its_own():
    result = merge("a", "b", "c", "new")
    assert result.text == "<<<<<<< yours\nb\n||||||| before\na\n=======\nc\n>>>>>>> new\n"


def test_what_one_side_deleted_and_the_other_changed_is_a_conflict():
    assert merge(BASE, "a\nb\nd\ne\n", "a\nb\nC\nd\ne\n", "new").conflicts == 1


def test_neighbouring_lines_are_a_conflict_too():
    assert merge(BASE, "a\nB\nc\nd\ne\n", "a\nb\nC\nd\ne\n", "new").conflicts == 1


@given(texts, texts)
def test_a_side_that_changed_nothing_takes_the_others_text(base, other):
    assert merge(base, base, other, "new").text == other
    assert merge(base, other, base, "new").text == other
    assert merge(base, other, other, "new").text == other


@given(texts, texts, texts)
def test_who_is_who_does_not_decide_whether_there_is_a_conflict(base, one, two):
    forth, back = merge(base, one, two, "new"), merge(base, two, one, "new")
    assert forth.conflicts == back.conflicts
    if not forth.conflicts:
        assert forth.text == back.text
