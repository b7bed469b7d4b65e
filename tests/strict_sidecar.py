"""A strict sidecar as a process, with the policy that the scaffolded components have.

`python -m tests.strict_sidecar BROKER_FILE LEASE GROUP HTTP_PORT GRPC_PORT APP_PORT`; an app
port of 0 calls nobody, a gRPC port of 0 serves none.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from workerkit.sidecar import App, PubSub, Sidecar
from workerkit.sidecar.pubsub import Policy
from workerkit.transports.sqlite import SqliteTransport


def main() -> None:
    """Serve until killed."""
    file, lease, group, *ports = sys.argv[1:]
    http_port, grpc_port, app_port = map(int, ports)
    broker = SqliteTransport(Path(file), float(lease))
    policy = Policy(most=None, first=0.1, factor=2.0, cap=1.0, timeout=5.0)
    pubsub = PubSub(
        "pubsub", broker, lease=float(lease), strict=True, concurrency=10_000, policy=policy
    )
    Sidecar(
        [pubsub], app_id=group, apps=[App(group, app_port, token="app-secret")], port=http_port,
        grpc_port=grpc_port or None,
    ).start()  # fmt: skip
    signal.pause()


if __name__ == "__main__":
    main()
