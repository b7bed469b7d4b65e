"""A database of one's own on a server that others use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError

from ..core.owner import is_gone, this_process
from ..errors import ConfigurationError
from .database import Database, storage_error

LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})

PORT = 5432

_OWNED = r"""
SELECT d.datname, c.description FROM pg_database d
JOIN pg_shdescription c ON c.objoid = d.oid AND c.classoid = 'pg_database'::regclass
WHERE d.datname LIKE 'workerkit\_%%' AND c.description IS NOT NULL
"""


@contextmanager
def scratch_database(database: Database) -> Iterator[URL]:
    """The URL of a new, empty database on the server of *database*; dropped at the end.

    Raises:
        ConfigurationError: The server is on another machine.
        StorageError: It does not answer, or lets us make none.
    """
    url = database.url
    database_address(database)
    name = f"workerkit_{token_hex(6)}"
    # Not in one's own database: a template that has connections cannot be copied.
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            _drop_left(connection)
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
            owner = this_process().replace("'", "''")
            connection.exec_driver_sql(f"COMMENT ON DATABASE {name} IS '{owner}'")
        try:
            yield url.set(database=name)
        finally:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    except SQLAlchemyError as error:
        raise storage_error(error, database) from error
    finally:
        engine.dispose()


def _drop_left(connection: Connection) -> None:
    """Drop the databases of processes that are gone."""
    for name, owner in connection.exec_driver_sql(_OWNED).all():
        if is_gone(owner):
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def database_address(database: Database) -> tuple[str, int] | str:
    """Host and port of the server of *database*, or its socket's path.

    Raises:
        ConfigurationError: It is on another machine.
    """
    url = database.url
    port = url.port or PORT
    host = url.host or str(url.query.get("host", ""))
    if host.startswith("/"):
        return f"{host}/.s.PGSQL.{port}"
    if host not in LOCAL:
        raise ConfigurationError(f"{database.shown} is on another machine: chaos leaves it alone")
    return host or "127.0.0.1", port


def database_through(url: URL, port: int) -> str:
    """*url* by way of a proxy on *port* of loopback."""
    query = {name: value for name, value in url.query.items() if name != "host"}
    through = url.set(host="127.0.0.1", port=port, query=query)
    return through.render_as_string(hide_password=False)
