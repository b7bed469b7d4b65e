"""`workerkit sidecar`: Dapr's API on the project's transport, for one app or for whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..config.settings import read_environment, redis_url
from ..config.sidecar import SidecarEnvironment, read_sidecar_environment
from ..core.child import end_with_parent
from ..core.parts import Part, with_ports
from ..observability.logs import set_up
from ..project import Project
from ..sidecar import App, MemoryStore, PubSub, RedisStore, Sidecar, Store, grpc_installed
from . import show
from .signals import Signals

STORE = "statestore"
"""The state component's name where no file names one, as `dapr init` has it."""


@dataclass(frozen=True)
class Request:
    """What the command line asks for; `tied`: end as soon as standard input does."""

    port: int | None = None
    grpc_port: int | None = None
    app_id: str | None = None
    app_port: int | None = None
    strict: bool = False
    tied: bool = False


def run(request: Request, folder: Path) -> int:
    """Run the sidecar alone until a signal; return 130 after SIGINT, else 0.

    Raises:
        StartStopError: The port is taken.
    """
    if request.tied:
        end_with_parent()
    received = Signals()
    environment = read_environment()
    project = Project.open(folder, environment)
    try:
        set_up(environment.log_format, "sidecar")
        server = open_sidecar(project, request, read_sidecar_environment())
        server.start()
        more = without_grpc(server) or f"gRPC on {server.grpc_port}"
        show.note(f"sidecar: running on port {server.port}, {more}")
        received.wait()
        server.stop(environment.worker_drain_timeout)
    finally:
        project.close()
    return received.exit_code


def open_sidecar(
    project: Project, request: Request | None = None, environment: SidecarEnvironment | None = None
) -> Sidecar:
    """The project's sidecar, not yet started: flag > environment > `workerkit.toml`."""
    wanted, given = request or Request(), environment or SidecarEnvironment.model_construct()
    entry = project.file.sidecar
    ports = {
        "http": _first(wanted.port, given.dapr_http_port, entry.port),
        "grpc": _first(wanted.grpc_port, given.dapr_grpc_port, entry.grpc_port),
    }
    http, grpc = with_ports([Part("sidecar", kind, port) for kind, port in ports.items()])
    app_id = wanted.app_id or given.app_id or project.file.name
    app_port = _first(wanted.app_port, given.app_port, 0)
    called = {app_id: app_port} if app_port else project.called()
    return Sidecar(
        [PubSub(entry.pubsub, project.broker, lease=project.lease, strict=wanted.strict)],
        app_id=app_id,
        stores=[_store(project, app_id)],
        apps=[
            App(name, its_port, token=project.environment.app_api_token)
            for name, its_port in called.items()
        ],
        host=project.environment.worker_host,
        port=http.port,
        grpc_port=grpc.port if grpc_installed() else None,
        token=project.environment.dapr_api_token,
    )


def _store(project: Project, app_id: str) -> Store:
    """State where the events are, on their server; beside the embedded broker it does not last."""
    url = redis_url(project.file, project.environment)
    return RedisStore(STORE, url, app_id) if url else MemoryStore(STORE)


def without_grpc(server: Sidecar) -> str:
    """The way to gRPC for a sidecar that has none; empty for one that has."""
    if server.grpc_port is not None:
        return ""
    return "HTTP only: gRPC needs pip install 'workerkit[dapr]'"


def _first(*choices: int | None) -> int:
    return next(choice for choice in choices if choice is not None)
