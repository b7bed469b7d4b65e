"""What a killed process had in hand, as the next one counts it."""

from __future__ import annotations

import os

import pytest

from workerkit.transports.dapr import hand as module
from workerkit.transports.dapr.hand import Hand

pytest.importorskip("fcntl", reason="no file locks as on Unix")

A, B, C = ("web", "a"), ("web", "b"), ("", "c")


def die(hand: Hand) -> None:
    """The file stays as it is, and its lock goes, as when the process is killed."""
    os.close(hand._file)
    hand._file = None


@pytest.fixture
def start(tmp_path):
    """A process's hand; closed with the test."""
    hands = []

    def begin(topic: str = "orders") -> Hand:
        hands.append(Hand(tmp_path / "dapr", topic))
        return hands[-1]

    yield begin
    for hand in hands:
        hand.close()


def test_what_a_killed_process_had_in_hand_is_counted(start):
    first = start()
    first.take([(A, 1), (B, 1), (C, 1)])
    first.give([B])
    die(first)
    second = start()
    assert [second.count(each) for each in (A, B, C, None)] == [2, 1, 2, 1]


def test_the_count_grows_with_each_death(start):
    for number in range(1, 4):
        hand = start()
        assert hand.count(A) == number
        hand.take([(A, hand.count(A))])
        die(hand)
    assert start().count(A) == 4


def test_a_count_survives_a_process_that_the_event_did_not_come_to(start):
    first = start()
    first.take([(A, 1)])
    for hand in (first, start(), start()):
        die(hand)
    assert start().count(A) == 2


def test_an_outcome_ends_the_count(start):
    first = start()
    first.take([(A, 1)])
    die(first)
    second = start()
    second.take([(A, second.count(A))])
    second.give([A])
    assert second.count(A) == 1
    die(second)
    assert start().count(A) == 1


def test_a_living_process_is_left_alone(start, tmp_path):
    living = start()
    living.take([(A, 1)])
    assert start().count(A) == 1
    die(living)
    assert start().count(A) == 2


def test_topics_are_apart(start):
    first = start("a/b")
    first.take([(A, 1)])
    die(first)
    assert start("a").count(A) == 1
    assert start("a/b").count(A) == 2


def test_a_last_line_that_was_cut_off_does_no_harm(start, tmp_path):
    first = start()
    first.take([(A, 1)])
    os.write(first._file, b'[["web","b"')
    die(first)
    second = start()
    assert (second.count(A), second.count(B)) == (2, 1)


def test_a_file_that_grows_is_written_anew(start, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "GROWTH", 1000)
    first = start()
    first.take([(A, 1)])
    for number in range(1000):
        first.take([(("web", str(number)), 1)])
        first.give([("web", str(number))])
    (file,) = (tmp_path / "dapr").iterdir()
    assert file.stat().st_size < 2000
    die(first)
    assert start().before == {A: 1}


def test_only_so_many_are_remembered(start, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 2)
    first = start()
    first.take([(A, 1), (B, 1), (C, 1)])
    die(first)
    assert start().before == {B: 1, C: 1}


def test_a_process_that_ends_well_leaves_nothing(start, tmp_path):
    hand = start()
    hand.take([(A, 1)])
    hand.give([A])
    hand.close()
    assert list((tmp_path / "dapr").iterdir()) == []


def test_where_no_file_can_be_written_nothing_is_counted(start, tmp_path, caplog):
    (tmp_path / "dapr").write_text("a file")
    hand = start()
    hand.take([(A, 1)])
    hand.give([A])
    assert hand.count(A) == 1
    assert [record.message for record in caplog.records] == ["deliveries are not counted"]
