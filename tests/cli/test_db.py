from __future__ import annotations


def test_upgrade_shows_the_versions_before_and_after(shop):
    assert "shop: version 0 -> " in shop.call("db", "upgrade").out
    (row,) = shop.call("db", "upgrade", "shop", "--json").json
    assert row["before"] == row["after"] > 0


def test_tables_of_a_newer_workerkit_are_refused(shop):
    shop.call("db", "upgrade")
    shop.change("UPDATE workerkit_version SET version = 99")
    answer = shop.call("db", "upgrade")
    assert answer.code == 2
    assert "version 99" in answer.err
    assert "upgrade workerkit" in answer.err


def test_an_unknown_service_says_what_was_meant(shop):
    answer = shop.call("db", "upgrade", "shpo")
    assert (answer.code, "did you mean 'shop'?" in answer.err) == (2, True)
