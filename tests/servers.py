"""Real servers for tests, started by the tests themselves."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pytest


class PostgreSQL:
    """A PostgreSQL server of our own, on a Unix socket; `fresh` gives a database to a test.

    *fsync*: whether a commit waits for the disk, as it does everywhere but in tests.
    """

    def __init__(self, *, fsync: bool = False) -> None:
        self._fsync = "on" if fsync else "off"
        self._programs = _postgres_programs()
        self._as: dict[str, Any] = _unprivileged() if os.geteuid() == 0 else {}
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._numbers = count(1)
        self._empty: list[str] = []
        if self._as:
            os.chown(self._folder, self._as["user"], self._as["group"])
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make a cluster and wait until it answers."""
        with self._log() as log:
            subprocess.run(
                [self._programs / "initdb", "-D", self._data, "-U", "postgres", "--auth=trust",
                 "--encoding=UTF8", "--locale=C", "--no-sync"],
                stdout=log, stderr=log, cwd=self._folder, check=True, **self._as,
            )  # fmt: skip
        self._serve()

    def restart(self) -> None:
        """End the server as if it crashed, and start it again with its data."""
        self._end()
        self._serve()

    def fresh(self) -> str:
        """The URL of an empty database under a name that was not used before."""
        name = f"test_{next(self._numbers)}"
        if self._empty:
            self.run(f"ALTER DATABASE {self._empty.pop()} RENAME TO {name}")
        else:
            self.run(f"CREATE DATABASE {name}")
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def take_back(self, url: str) -> None:
        """Empty the database at *url* for the next test: making one takes 0.1 s, this 0.02."""
        old, name = urlsplit(url).path[1:], f"empty_{next(self._numbers)}"
        self.run(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{old}' AND backend_type = 'client backend'"
        )
        self.run(f"ALTER DATABASE {old} RENAME TO {name}")
        self.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public", name)
        self._empty.append(name)

    def run(self, statement: str, database: str = "postgres") -> None:
        """Run *statement* as the superuser; by default outside of every test's database."""
        import psycopg  # noqa: PLC0415

        with psycopg.connect(self._address, dbname=database, autocommit=True) as connection:
            connection.execute(statement.encode())

    def stop(self) -> None:
        """End the server and remove its files."""
        if self._server is not None:
            self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self) -> None:
        with self._log() as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-k", self._folder, "-h", "",
                 "-c", f"fsync={self._fsync}", "-c", "max_connections=200",
                 "-c", "shared_buffers=32MB"],
                stdout=log, stderr=log, cwd=self._folder, **self._as,
            )  # fmt: skip
        end = time.monotonic() + 30
        while not self._answers():
            assert self._server.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < end, "PostgreSQL did not start in time"
            time.sleep(0.05)

    def _end(self) -> None:
        """SIGQUIT: a shutdown in good order writes every database out, for seconds."""
        assert self._server is not None
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait(30)

    def _log(self) -> BinaryIO:
        return (self._folder / "log").open("ab")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _address(self) -> str:
        return f"host={self._folder} user=postgres dbname=postgres"

    def _answers(self) -> bool:
        import psycopg  # noqa: PLC0415

        try:
            psycopg.connect(self._address).close()
        except psycopg.OperationalError:
            return False
        return True


def database_url(request: Any, folder: Path) -> str:
    """The database that a fixture's parameter names: on the server, or a file in *folder*."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    return f"sqlite:///{folder}/shop.db"


def _postgres_programs() -> Path:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not installed:
        pytest.skip("no PostgreSQL server is installed (initdb)")
    return max(installed, key=lambda path: int(path.parent.name))


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: who runs it instead."""
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")
