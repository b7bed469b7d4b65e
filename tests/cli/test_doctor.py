from __future__ import annotations

import socket
import sqlite3
import time
from contextlib import closing

import pytest

from tests.ports import free_port
from tests.shops import TOML
from workerkit.operate import doctor, doctor_redis
from workerkit.operate.doctor import check_data_folder, check_python, check_sqlite
from workerkit.storage.database import VERSION


def checks(answer) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in answer.json["checks"]}


def test_a_healthy_project_has_nothing_but_ok(shop):
    shop.start(port=None)
    answer = shop.call("doctor", "--json")
    levels = {name: check["level"] for name, check in checks(answer).items() if name != "disk"}
    assert set(levels.values()) == {"ok"}, levels
    assert answer.code == 0
    expected = {"python", "sqlite", "project", "data folder", "clock", "ports"}
    expected |= {f"shop: {each}" for each in ("wiring", "database", "dead letters", "outbox")}
    assert expected <= levels.keys()


def test_a_finding_shows_its_way_out(shop):
    shop.bury("letter-1")
    answer = shop.call("doctor")
    assert answer.code == 0
    assert "warn  shop: dead letters" in answer.out
    assert "-> `workerkit dlq list shop`" in answer.out


@pytest.mark.parametrize(
    ("code", "fact"),
    [
        ("x = 1\nraise RuntimeError('no\\nsettings')", ":2: RuntimeError: no"),
        ("def wire(settings):\n    return settings.nothing", ":2: AttributeError:"),
        ("def wire(:", ":1: SyntaxError:"),
        ("import not_there_at_all", ":1: ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("def wire(settings):\n    return 3", "returned 3, must be a Service"),
    ],
)
def test_an_error_in_user_code_is_one_line_with_its_place(shop, code, fact):
    shop.write(code=code)
    answer = shop.call("doctor", "--json")
    wiring = checks(answer)["shop: wiring"]
    assert (answer.code, wiring["level"]) == (5, "fail")
    assert fact in wiring["fact"]
    assert "\n" not in wiring["fact"]


def test_a_wrong_project_file_fails_and_ends_the_examination(shop):
    shop.write(toml=TOML + "colour = 3\n")
    answer = shop.call("doctor", "--json")
    assert (answer.code, checks(answer)["project"]["level"]) == (5, "fail")
    assert "colour" in checks(answer)["project"]["fact"]


def test_newer_tables_fail(shop):
    shop.call("db", "upgrade")
    shop.change("UPDATE workerkit_version SET version = 99")
    answer = shop.call("doctor", "--json")
    assert (answer.code, checks(answer)["shop: database"]["level"]) == (5, "fail")


def test_older_tables_are_told_with_the_way_to_upgrade_them(shop):
    shop.call("db", "upgrade")
    shop.change("UPDATE workerkit_version SET version = version - 1")
    answer = shop.call("doctor", "--json")
    found = checks(answer)["shop: database"]
    assert (answer.code, found["level"]) == (0, "warn")
    assert found["fact"].endswith(f"of version {VERSION - 1}, needed is {VERSION}")
    assert found["way_out"] == "`workerkit db upgrade shop`"


def test_a_password_is_never_printed(shop, monkeypatch):
    url = f"postgresql://user:s3cret@127.0.0.1:{free_port()}/db"
    monkeypatch.setenv("DATABASE_URL", url)
    for arguments in (["doctor"], ["doctor", "--json"]):
        answer = shop.call(*arguments)
        assert answer.code == 5
        assert "s3cret" not in answer.out + answer.err
        assert "127.0.0.1" in answer.out


def test_a_database_url_that_cannot_be_read_fails_without_its_text(shop, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "s3cret")
    answer = shop.call("doctor", "--json")
    assert answer.code == 5
    assert "s3cret" not in answer.out + answer.err


def test_an_outbox_that_nobody_sends_is_told(shop):
    shop.call("db", "upgrade")
    shop.change("INSERT INTO workerkit_outbox (messages, due) VALUES ('[]', ?)", time.time() - 90)
    outbox = checks(shop.call("doctor", "--json"))["shop: outbox"]
    assert (outbox["level"], outbox["fact"][:9]) == ("warn", "1 batches")


def test_a_port_that_something_else_holds_is_told_with_its_owner(shop, monkeypatch):
    monkeypatch.setattr("workerkit.operate.status.TIMEOUT", 0.1)
    with closing(socket.create_server(("127.0.0.1", shop.port))):
        ports = checks(shop.call("doctor", "--json"))["ports"]
    assert ports["level"] == "warn"
    assert f"{shop.port} for shop events" in ports["fact"]
    assert "pid " in ports["fact"]


def test_an_event_from_the_future_tells_of_a_clock_set_back(shop):
    shop.call("publish", "orders")
    with closing(sqlite3.connect(shop.path / ".workerkit" / "broker.db")) as db, db:
        db.execute("UPDATE messages SET published = published + 3600")
    clock = checks(shop.call("doctor", "--json"))["clock"]
    assert (clock["level"], "3600 s in the future" in clock["fact"]) == ("warn", True)


def test_old_versions_fail():
    assert [check_python((3, 10, 9)).level, check_python((3, 11, 0)).level] == ["fail", "ok"]
    assert [check_sqlite((3, 37, 2)).level, check_sqlite((3, 38, 0)).level] == ["fail", "ok"]


def test_a_network_file_system_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "file_system", lambda folder: "nfs4")
    folder, _ = check_data_folder(tmp_path)
    assert (folder.level, "nfs4" in folder.fact) == ("fail", True)


def test_a_data_folder_that_is_a_file_fails(tmp_path):
    (tmp_path / "data").write_text("")
    (folder,) = check_data_folder(tmp_path / "data")
    assert folder.level == "fail"


def test_a_redis_without_a_file_or_with_eviction_is_found(shop, monkeypatch, redis, redis_url):
    monkeypatch.setenv("REDIS_URL", redis_url)
    found = checks(shop.call("doctor", "--json"))
    assert found["redis"]["fact"].startswith(f"{redis_url} is Redis ")
    assert [found[f"redis: {what}"]["level"] for what in ("memory", "disk")] == ["ok", "warn"]
    assert found["redis: disk"]["way_out"] == "set `appendonly yes`"
    redis.command("CONFIG", "SET", "maxmemory", "64mb")
    redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        answer = shop.call("doctor", "--json")
    finally:
        redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        redis.command("CONFIG", "SET", "maxmemory", "0")
    assert (answer.code, checks(answer)["redis: memory"]["level"]) == (5, "fail")
    assert "allkeys-lru" in checks(answer)["redis: memory"]["fact"]


def test_a_topic_that_grows_because_nobody_reads_it_is_found(shop, monkeypatch, redis, redis_url):
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setattr(doctor_redis, "UNREAD", 3)
    for _ in range(4):
        for topic in ("read", "unread"):
            redis.command("XADD", topic, "*", "data", "{}")
    redis.command("XGROUP", "CREATE", "read", "shop", "0")
    found = checks(shop.call("doctor", "--json"))["redis: topics"]
    assert found["level"] == "warn"
    assert found["fact"] == "unread holds 4 events that no group reads, and grows"


def test_a_redis_that_is_away_is_one_failed_check(shop, monkeypatch):
    monkeypatch.setenv("REDIS_URL", f"redis://:secret@127.0.0.1:{free_port()}/0")
    answer = shop.call("doctor", "--json")
    assert (answer.code, checks(answer)["redis"]["level"]) == (5, "fail")
    assert "secret" not in answer.out + answer.err
    assert "clock" not in checks(answer)
