"""Every kind of URL reaches a real server: password, number, socket, TLS, Sentinel."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.redis_process import RedisProcess
from workerkit.errors import StorageError
from workerkit.events.transport import Message
from workerkit.state.redis import RedisState
from workerkit.transports.redis_streams import RedisStreamsTransport


@pytest.fixture
def started() -> Iterator[ExitStack]:
    """Ends what is entered into it."""
    with ExitStack() as stack:
        yield stack


def server(started: ExitStack, *options: str) -> RedisProcess:
    process = RedisProcess(*options)
    started.callback(process.close)
    return process.start()


def carries(url: str) -> None:
    """An event goes through the server at *url*, and a lease is taken on it."""
    with closing(RedisStreamsTransport(url)) as transport:
        transport.publish([Message("orders", b'{"id":"1"}')])
        with closing(transport.subscribe("orders", "shop")) as subscription:
            (delivery,) = subscription.receive(10, 5.0)
            subscription.settle([delivery], [])
        assert transport.lag("orders", "shop").events == 0
    with closing(RedisState(url)) as state:
        assert state.acquire("tick", "me", 5.0) is not None


def test_a_password_and_a_database_number(started):
    port = server(started, "--maxmemory", "0").port
    subprocess.run(
        ["redis-cli", "-p", str(port), "CONFIG", "SET", "requirepass", "secret"],
        check=True, capture_output=True,
    )  # fmt: skip
    carries(f"redis://:secret@127.0.0.1:{port}/3")
    with pytest.raises(StorageError) as raised, closing(
        RedisStreamsTransport(f"redis://:wrong@127.0.0.1:{port}/3")
    ) as transport:  # fmt: skip
        transport.publish([Message("orders", b"{}")])
    assert "wrong" not in str(raised.value)


def test_a_unix_socket(started, tmp_path):
    path = tmp_path / "redis.sock"
    server(started, "--unixsocket", str(path))
    carries(f"unix://{path}?db=2")


def test_tls(started, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes a certificate, is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    server(
        started, "--tls-port", str(port), "--tls-cert-file", str(certificate),
        "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate),
        "--tls-auth-clients", "no",
    )  # fmt: skip
    carries(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}")
    with pytest.raises(StorageError, match="certificate"):
        carries(f"rediss://localhost:{port}/0")


def test_sentinel_leads_to_the_master(started, tmp_path):
    master = server(started)
    port = sentinel(started, tmp_path, master.port)
    carries(f"redis+sentinel://127.0.0.1:{port}/shop/1")


def sentinel(started: ExitStack, folder: Path, master: int) -> int:
    """The port of a sentinel that watches *master* under the name `shop`."""
    port = free_port()
    file = folder / "sentinel.conf"
    file.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor shop 127.0.0.1 {master} 1\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["redis-server", str(file), "--sentinel"], cwd=folder, stdout=log, stderr=log
        )
    started.callback(process.wait, 20)
    started.callback(process.kill)
    end = time.monotonic() + 20
    ask = ["redis-cli", "-p", str(port), "SENTINEL", "get-master-addr-by-name", "shop"]
    while str(master).encode() not in subprocess.run(ask, capture_output=True, check=False).stdout:
        assert time.monotonic() < end, (folder / "log").read_text()
        time.sleep(0.05)
    return port
