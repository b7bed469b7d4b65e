"""`workerkit new`, `add` and `update`, on folders and templates of the test's own."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.desk import ORDERS, edit
from workerkit.operate.compose import read_compose

CACHE = Path(__file__).parents[2] / "examples" / "shop" / ".mypy_cache"
"""Filled when the shop was checked: what a project imports takes mypy most of its time."""


def test_a_new_project_has_what_was_asked_for(desk):
    answer = desk.call("new", "acme", *ORDERS)
    files = desk.files()
    told = f"acme: {len(files)} files. Go on with"
    assert (answer.code, answer.out.splitlines()[0]) == (0, told)
    assert 'topic = "order.placed"' in files["acme/orders/worker/event/order_placed.py"]
    assert 'schedule = "*/10 * * * *"' in files["acme/orders/worker/cron/summary.py"]
    ours = [text for path, text in files.items() if "/deploy/monitoring/" not in path]
    assert "{{" not in "".join(ours)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(desk.project.stat().st_mode) == 0o777 & ~mask


def test_several_services_have_ports_of_their_own(desk):
    desk.make("--services", "pricing,catalog, warehouse")
    assert re.findall(r"api = (\d+)", (desk.project / "workerkit.toml").read_text()) == [
        "8001", "8011", "8021",
    ]  # fmt: skip


def test_a_dry_run_shows_the_tree_and_writes_nothing(desk):
    answer = desk.call("new", "acme", *ORDERS, "--dry-run")
    assert (answer.code, desk.files()) == (0, {})
    assert "acme/\n" in answer.out
    assert "\n  orders/\n" in answer.out
    assert "\n        order_placed.py\n" in answer.out


def test_without_flags_and_a_terminal_all_is_as_usual(desk):
    desk.make("--service", "acme", "--topic", "acme.created", "--cron", "*/10 * * * *")
    asked_for = desk.files()
    shutil.rmtree(desk.project)
    os.chdir(desk.folder)
    assert desk.call("new", "acme").code == 0
    assert desk.files() == asked_for


def test_on_a_terminal_it_asks_and_asks_again(desk):
    answer = desk.call("new", "acme", stdin="json\norders\norder.placed\n61 * * * *\n-\n")
    assert answer.code == 0, answer.err
    assert "Error: service 'json': a module of Python has that name" in answer.err
    assert "minute is 61, allowed are 0-59" in answer.err
    files = desk.files()
    assert "acme/orders/worker/event/order_placed.py" in files
    assert not [path for path in files if "/cron/" in path]


def test_as_json_nothing_is_asked_and_what_was_written_is_told(desk):
    made = desk.call("new", "acme", "--json", "--service", "orders", stdin="").json
    written = [f"acme/{each['path']}" for each in made["changes"]]
    assert sorted(written) == sorted(desk.files())
    os.chdir(desk.project)
    added = desk.call("add", "cron-job", "nightly", "--json", stdin="").json
    assert {"path": "orders/wire.py", "change": "changed"} in added["changes"]
    desk.change("orders/migrate.py", "Create our tables", "Make our tables")
    migrate = desk.release(2) / "service/files/{{ service }}/migrate.py.jinja"
    edit(migrate, "Create our tables", "Create the tables")
    updated = desk.call("update", "--json", stdin="")
    assert updated.code == 5
    assert {"path": "orders/migrate.py", "change": "conflict"} in updated.json["changes"]


def test_an_interrupted_question_writes_nothing(desk):
    answer = desk.call("new", "acme", stdin="")
    assert (answer.code, desk.files()) == (130, {})
    desk.make()
    before = desk.files()
    assert desk.call("add", "service", "billing", stdin="").code == 130
    assert desk.files() == before


@pytest.mark.parametrize("name", ["my-app", "class", "json", "a", "Acme.2", "x" * 64])
def test_a_name_that_can_be_used_is_used(desk, name):
    answer = desk.call("new", name)
    assert (answer.code, answer.err) == (0, "")
    service = {"my-app": "my_app", "a": "a", "Acme.2": "acme_2"}.get(name, "app")
    assert (desk.folder / name / service / "wire.py").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ünï"], "project 'ünï': a name has the letters a to z"),
        (["../x"], "'../x' is a path: give a name"),
        (["/x"], "'/x' is a path"),
        (["."], "project '.': a name has"),
        ([""], "project '': a name has"),
        (["x" * 200], "has 200 characters, at most 64 can be"),
        (["a\nb"], "project 'a\\nb': a name has"),
        (["a", "--service", "class"], "service 'class': the word means something in Python"),
        (["a", "--service", "s" * 21], "has 21 characters, at most 20 can be"),
        (["a", "--service", "json"], "service 'json': a module of Python has that name"),
        (["a", "--service", "redis"], "service 'redis': an installed package has that name"),
        (["a", "--service", "tests"], "service 'tests': the project has a folder of that name"),
        (["a", "--service", "postgres"], "PostgreSQL has a database of that name"),
        (["a", "--service", "pubsub"], "deploy/k8s has a file of that name"),
        (["a", "--service", "no"], "the word means something in YAML"),
        (["a", "--service", "Order-API"], "e.g. order_api"),
        (["a", "--service", "ünï"], "service 'ünï': use a to z, digits and single _"),
        (["a", "--services", "b,,c"], "service '': use a to z"),
        (["a", "--services", "b,b"], "service 'b' is there twice"),
        (["a", "--services", "b", "--topic", "x"], "--services alone, or --service with"),
        (["a", "--topic", "a b"], "topic 'a b': use letters"),
        (["a", "--topic", 'a"b'], "topic 'a\"b': use letters"),
        (["a", "--topic", "t" * 61], "has 61 characters, at most 60 can be"),
        (["a", "--topic", "t" * 50], "has 50 characters, at most 30 can be"),
        (["a", "--cron", "61 * * * *"], "minute is 61, allowed are 0-59"),
        (["a", "--cron", "0 0 31 2 *"], 'cron "0 0 31 2 *" never fires'),
        (["a", "--service", "b", "--topic", "x.y", "--services", "c"], "--services alone"),
    ],
)
def test_a_name_that_cannot_be_used_is_one_line_and_nothing_is_written(desk, arguments, said):
    answer = desk.call("new", *arguments)
    assert (answer.code, len(answer.err.splitlines())) == (2, 1)
    assert said in answer.err
    assert list(desk.folder.iterdir()) == []


def test_what_is_there_is_not_overwritten(desk):
    (desk.folder / "acme").write_text("mine")
    answer = desk.call("new", "acme")
    assert (answer.code, answer.err) == (
        2, "workerkit: acme is there already; nothing was written\n",
    )  # fmt: skip
    (desk.folder / "acme").unlink()
    desk.make()
    os.chdir(desk.folder)
    before = desk.files()
    assert desk.call("new", "acme", "--services", "other").code == 2
    assert desk.files() == before


def test_an_empty_folder_is_filled(desk):
    desk.project.mkdir()
    desk.make()
    assert (desk.project / "orders").is_dir()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that nobody can write")
def test_a_folder_that_cannot_be_written_is_one_line(desk, monkeypatch):
    monkeypatch.chdir("/proc")
    answer = desk.call("new", "acme")
    assert (answer.code, len(answer.err.splitlines())) == (3, 1)
    assert "cannot write acme in /proc: " in answer.err


def test_neither_git_nor_a_path_to_it_is_needed(desk, monkeypatch):
    monkeypatch.setenv("PATH", "")
    desk.make("--service", "without_git")
    assert desk.call("add", "event-worker", "git.gone").code == 0
    desk.release(2)
    assert desk.call("update").code == 0


def test_add_shows_the_diff_and_asks(desk):
    desk.make()
    before = desk.files()
    refused = desk.call("add", "event-worker", "order.cancelled", stdin="n\n")
    assert (refused.code, desk.files()) == (0, before)
    assert "\n+            OrderCancelledWorker(),\n" in refused.out
    assert "\n+++ b/tests/test_orders_order_cancelled.py\n" in refused.out
    assert refused.out.endswith("nothing was written\n")
    assert desk.call("add", "event-worker", "order.cancelled", stdin="y\n").code == 0
    assert "OrderCancelledWorker()," in desk.files()["acme/orders/wire.py"]


def test_a_worker_goes_to_the_service_in_whose_folder_one_is(desk, monkeypatch):
    desk.make("--services", "orders,billing")
    answer = desk.call("add", "cron-job", "nightly")
    assert (answer.code, answer.err) == (
        2, "workerkit: name a service with --service: orders, billing\n",
    )  # fmt: skip
    monkeypatch.chdir(desk.project / "billing" / "api")
    assert desk.call("add", "cron-job", "nightly").code == 0
    files = desk.files()
    assert 'schedule = "@daily"' in files["acme/billing/worker/cron/nightly.py"]
    assert 'modes = ["api", "cron"]' in files["acme/workerkit.toml"]


def test_a_service_that_is_added_gets_ports_that_are_free(desk):
    desk.make()
    desk.change("workerkit.toml", "cron = 8003", "cron = 8012")
    assert desk.call("add", "service", "billing").code == 0
    assert "ports = { api = 8021," in (desk.project / "workerkit.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["event-worker", "order.placed"], "orders has a worker on 'order.placed' already"),
        (["event-worker", "an.order.placed"], "has a module 'order_placed' already, for another"),
        (["event-worker", "x y"], "topic 'x y': use letters"),
        (["event-worker", "x.y", "--service", "ordres"], "did you mean 'orders'?"),
        (["cron-job", "summary"], "orders has a job 'summary' already"),
        (["cron-job", "a-b"], "job 'a-b': use a to z, digits and single _, e.g. a_b"),
        (["cron-job", "b", "--cron", "* * *"], 'cron "* * *"'),
        (["service", "orders"], "service 'orders' is there already"),
        (["service", "json"], "a module of Python has that name"),
    ],
)
def test_what_cannot_be_added_is_one_line_and_changes_nothing(desk, arguments, said):
    desk.make()
    before = desk.files()
    answer = desk.call("add", *arguments)
    assert (answer.code, len(answer.err.splitlines()), answer.out) == (2, 1, "")
    assert said in answer.err
    assert desk.files() == before


def test_a_file_of_the_user_in_the_way_is_left_alone(desk):
    desk.make()
    (desk.project / "orders/worker/cron/nightly.py").write_text("mine = 1\n")
    answer = desk.call("add", "cron-job", "nightly")
    assert answer.code == 2
    assert "orders/worker/cron/nightly.py is there already; nothing was written" in answer.err


def test_containers_and_databases_are_added_too_unless_somebody_changed_them_there(desk):
    desk.make()
    desk.change("docker-compose.yml", "mem_limit: 256m", "mem_limit: 128m")
    answer = desk.call("add", "service", "billing")
    assert (answer.code, answer.err) == (0, "")
    desk.change(
        "deploy/postgres/databases.sql", 'CREATE DATABASE "billing";', "-- billing: elsewhere"
    )
    answer = desk.call("add", "service", "stock")
    assert (answer.code, answer.out.splitlines()[-1]) == (
        0, "deploy/postgres/databases.sql was changed where the new part belongs: put it in by hand"
    )  # fmt: skip
    compose = read_compose(desk.project / "docker-compose.yml", ["orders", "billing", "stock"])
    assert [(each.service, each.mode, each.port, each.memory) for each in compose.containers] == [
        ("orders", "api", 8001, "512m"), ("orders", "events", 8002, "512m"),
        ("orders", "events", None, "512m"), ("orders", "cron", 8003, "128m"),
        ("billing", "api", 8011, "512m"),
        ("stock", "api", 8021, "512m"),
    ]  # fmt: skip
    sql = (desk.project / "deploy/postgres/databases.sql").read_text()
    assert sql.splitlines()[1:] == ['CREATE DATABASE "orders";', "-- billing: elsewhere"]


def test_add_outside_of_a_project_says_how_to_make_one(desk):
    answer = desk.call("add", "service", "billing")
    assert (answer.code, "make one with `workerkit new NAME`" in answer.err) == (2, True)
    (desk.folder / "workerkit.toml").write_text("")
    answer = desk.call("add", "service", "billing")
    assert (answer.code, "it was not made with `workerkit new`" in answer.err) == (2, True)


@pytest.mark.parametrize(
    ("trouble", "code", "said"),
    [
        (OSError(28, "No space left on device"), 3, "No space left on device; nothing changed"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_ends_an_add_halfway_leaves_the_project_as_it_was(
    desk, monkeypatch, trouble, code, said
):
    desk.make()
    before = desk.files()
    replace, written = os.replace, []

    def fail_once(source, target):
        written.append(target)
        if len(written) == 4:
            raise trouble
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_once)
    answer = desk.call("add", "service", "billing")
    assert (answer.code, len(answer.err.splitlines())) == (code, 1 if said else 0)
    assert said in answer.err
    assert desk.files() == before
    assert not (desk.project / "billing").exists()


def test_update_brings_newer_templates_and_keeps_what_was_changed(desk):
    desk.make()
    desk.change("orders/api/__init__.py", "limit: Limit = 100", "limit: Limit = 50")
    desk.change(
        "orders/models.py",
        "    note: Mapped[str]\n",
        "    note: Mapped[str]\n    by: Mapped[str]\n",
    )
    (desk.project / "orders/README.md").unlink()
    assert desk.call("add", "cron-job", "nightly").code == 0
    second = desk.release(2)
    api = second / "service/files/{{ service }}/api/__init__.py.jinja"
    edit(api, '"""The ASGI application."""', '"""The ASGI application of this service."""')
    edit(second / "service/files/{{ service }}/README.md.jinja", "its tables", "the tables")
    third = desk.release(3)
    edit(third / "service/files/{{ service }}/wire.py.jinja", "put together", "built")
    (third / "project/files/CONTRIBUTING.md.jinja").write_text("{{ name }}\n")
    (third / "service/files/{{ service }}/migrate.py.jinja").unlink()

    answer = desk.call("update")
    assert (answer.code, answer.err) == (0, "")
    assert "orders/README.md was deleted here and stays so" in answer.out
    assert answer.out.endswith("templates 1 -> 3; run the tests\n")
    files = desk.files()
    api_now = files["acme/orders/api/__init__.py"]
    assert '"""The ASGI application of this service."""' in api_now
    assert "limit: Limit = 50" in api_now
    assert "by: Mapped[str]" in files["acme/orders/models.py"]
    assert "NightlyJob()," in files["acme/orders/wire.py"]
    assert "where orders is built" in files["acme/orders/wire.py"]
    assert files["acme/CONTRIBUTING.md"] == "acme\n"
    assert "acme/orders/migrate.py" not in files
    assert "acme/orders/README.md" not in files
    assert "templates = 3\n" in files["acme/.workerkit-answers.toml"]
    again = desk.call("update")
    assert (again.code, again.out) == (
        0, "nothing to do: the project is from templates 3, the newest\n",
    )  # fmt: skip
    assert desk.files() == files


def test_a_conflict_is_marked_listed_and_in_the_way_of_the_next_update(desk):
    desk.make()
    desk.change("orders/migrate.py", "Create our tables", "Make our tables")
    second = desk.release(2)
    migrate = second / "service/files/{{ service }}/migrate.py.jinja"
    edit(migrate, "Create our tables", "Create the tables")
    answer = desk.call("update")
    assert answer.code == 5
    assert "warning: orders/migrate.py: both sides changed the same lines" in answer.err
    text = (desk.project / "orders/migrate.py").read_text()
    assert "<<<<<<< yours\n" in text
    assert ">>>>>>> templates 2\n" in text
    again = desk.call("update")
    assert (again.code, len(again.err.splitlines())) == (2, 1)
    assert "orders/migrate.py has conflicts of an earlier update" in again.err


def test_a_file_that_left_the_templates_stays_when_it_was_changed(desk):
    desk.make()
    desk.change("orders/README.md", "its tables", "tables")
    (desk.release(2) / "service/files/{{ service }}/README.md.jinja").unlink()
    answer = desk.call("update")
    assert answer.code == 0
    assert "orders/README.md is not in the templates any more; it was changed" in answer.out
    assert (desk.project / "orders/README.md").is_file()


def test_a_project_of_newer_templates_is_left_alone(desk):
    desk.make()
    desk.change(".workerkit-answers.toml", "templates = 1", "templates = 9")
    answer = desk.call("update")
    assert (answer.code, len(answer.err.splitlines())) == (2, 1)
    assert "this workerkit has up to 1: upgrade workerkit" in answer.err


def test_a_generated_project_passes_ruff_and_mypy_with_names_as_long_as_can_be(desk):
    service, job, word = "s" * 20, "j" * 30, "w" * 15
    desk.make("--service", service, "--topic", f"{'t' * 29}.{word}.{word[1:]}", "--cron", "@daily")
    for arguments in (("cron-job", job), ("cron-job", "a_b"), ("event-worker", "class")):
        assert desk.call("add", *arguments).code == 0
    steps = [["ruff", "check", "."], ["ruff", "format", "--check", "."]]
    steps += [["mypy", f"--cache-dir={CACHE}"]]
    for step in steps:
        done = subprocess.run(
            [sys.executable, "-m", *step], cwd=desk.project, capture_output=True, text=True,
            timeout=100, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
