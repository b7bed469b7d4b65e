from __future__ import annotations

import pytest

from tests.waiting import until


def counts(shop) -> dict[str, int]:
    project = shop.open()
    try:
        return project.store("shop").counts()
    finally:
        project.close()


def test_a_service_that_never_ran_has_no_dead_letters(shop):
    assert shop.call("dlq", "list").out == "no dead letters\n"
    assert not (shop.path / ".workerkit" / "shop.db").exists()


def test_the_latest_letters_are_listed_first(shop):
    for name in ("letter-1", "letter-2", "letter-3"):
        shop.bury(name)
    listed = shop.call("dlq", "list", "--json", "--limit", "2").json
    assert [letter["id"] for letter in listed["letters"]] == ["letter-3", "letter-2"]
    assert listed["total"] == 3


def test_list_shows_the_error_and_a_prefix_that_is_enough(shop):
    shop.bury("aaaaaaaaaa-1", "aaaaaaaaaa-2", "bbbbbbbbbb-3")
    answer = shop.call("dlq", "list", "shop")
    ids = {line.split()[0] for line in answer.out.splitlines()[1:-1]}
    assert ids == {"aaaaaaaaaa-1", "aaaaaaaaaa-2", "bbbbbbbb"}
    assert "ValueError: unlucky" in answer.out
    assert "3 dead letters" in answer.out


def test_list_says_how_many_it_left_out(shop):
    shop.bury("letter-1", "letter-2")
    assert "1 of 2 dead letters" in shop.call("dlq", "list", "--limit", "1").out


def test_list_as_json_has_whole_ids(shop):
    shop.bury("aaaaaaaaaa-1")
    listing = shop.call("dlq", "list", "--json").json
    assert [letter["id"] for letter in listing["letters"]] == ["aaaaaaaaaa-1"]
    assert listing["total"] == 1


def test_list_of_an_unknown_service_says_what_was_meant(shop):
    answer = shop.call("dlq", "list", "shpo")
    assert (answer.code, "did you mean 'shop'?" in answer.err) == (2, True)


def test_parked_events_are_listed_apart(shop):
    shop.bury("letter-1")
    shop.change("UPDATE workerkit_parked SET dead = 0, due = due + 1000")
    assert shop.call("dlq", "list").out == "no dead letters\n"
    assert "1 parked event;" in shop.call("dlq", "list", "--parked").out


def test_show_has_data_and_traceback(shop):
    shop.bury("letter-1")
    answer = shop.call("dlq", "show", "letter-1")
    assert '"orderId": 13' in answer.out
    assert 'raise ValueError("unlucky")' in answer.out
    (letter,) = shop.call("dlq", "show", "letter", "--json").json
    assert (letter["id"], letter["attempts"], letter["dead"]) == ("letter-1", 2, True)


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("nothing-like-it", "no dead letter or parked event 'nothing-like-it'"),
        ("lett", "a prefix needs 6 characters or more"),
        ("letter-", "fits 2 ids: letter-1, letter-2; write more of it"),
        ("letter_", "no dead letter"),
        ("letter%", "no dead letter"),
    ],
)
def test_an_id_that_names_none_or_several_is_one_line_and_exit_2(shop, id, said):
    shop.bury("letter-1", "letter-2")
    for command in (["show"], ["replay"], ["drop", "--yes"]):
        answer = shop.call("dlq", *command, id)
        assert answer.code == 2
        assert said in answer.err
        assert len(answer.err.splitlines()) == 1
    assert counts(shop)["dead"] == 2


def test_a_corrected_letter_is_replayed_and_applied(shop):
    shop.bury("letter-1")
    answer = shop.call("dlq", "replay", "letter", "--data", '{"orderId": 7}')
    assert (answer.code, answer.out[:40]) == (0, "corrected 1, made 1 event due again; a r")
    process = shop.start()
    until(lambda: process.project.store("shop").story("web", "letter-1")[0].state == "applied")
    assert shop.call("dlq", "list").out == "no dead letters\n"
    until(lambda: shop.kept("orders.booked"))
    assert shop.kept("orders.booked")[0]["data"] == {"orderId": 7}


def test_replay_of_all_takes_every_dead_letter(shop):
    shop.bury("letter-1", "letter-2")
    assert "made 2 events due again" in shop.call("dlq", "replay", "--all").out
    assert counts(shop) == {"parked": 2, "dead": 0, "outbox": 0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "replay needs ids, or --all"),
        (["letter-1", "--all"], "replay needs ids, or --all"),
        (["--all", "--data", "1"], "--data with --all"),
        (["letter-1", "--data", "{"], "--data is not JSON"),
    ],
)
def test_a_replay_that_is_not_clear_does_nothing(shop, arguments, said):
    shop.bury("letter-1")
    answer = shop.call("dlq", "replay", *arguments)
    assert (answer.code, said in answer.err) == (2, True), answer.err
    assert counts(shop)["dead"] == 1


def test_drop_without_a_terminal_needs_yes(shop):
    shop.bury("letter-1")
    answer = shop.call("dlq", "drop", "letter-1")
    assert (answer.code, "--yes" in answer.err) == (2, True)
    assert counts(shop)["dead"] == 1
    assert shop.call("dlq", "drop", "letter-1", "--yes").out == "dropped 1 event\n"
    assert counts(shop)["dead"] == 0


@pytest.mark.parametrize(("typed", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 1)])
def test_drop_asks_on_a_terminal(shop, typed, code, left):
    shop.bury("letter-1")
    assert shop.call("dlq", "drop", "letter-1", stdin=typed).code == code
    assert counts(shop)["dead"] == left
