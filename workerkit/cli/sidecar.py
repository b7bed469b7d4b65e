"""`workerkit sidecar`: Dapr's API on the project's transport, for one app or for whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config.dapr_files import yaml_installed
from ..config.settings import read_environment, redis_url
from ..config.sidecar import SidecarEnvironment, read_sidecar_environment
from ..core.child import end_with_parent
from ..core.parts import Part, with_ports
from ..errors import ConfigurationError
from ..events.transport import Transport
from ..observability.logs import set_up
from ..project import Project
from ..sidecar import (
    App,
    MemoryStore,
    Place,
    PubSub,
    RedisStore,
    Resources,
    Sidecar,
    Store,
    grpc_installed,
    read_resources,
)  # fmt: skip
from ..transports import open_transport
from . import show
from .signals import Signals

RESOURCES = Path("deploy/dapr")
"""Where a project has Dapr's YAML files."""

STORE = "statestore"
"""The state component's name where no file names one, as `dapr init` has it."""


@dataclass(frozen=True)
class Request:
    """What the command line asks for; `tied`: end as soon as standard input does."""

    port: int | None = None
    grpc_port: int | None = None
    app_id: str | None = None
    app_port: int | None = None
    resources: Path | None = None
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
        server, notes = open_sidecar(project, request, read_sidecar_environment())
        for note in notes:
            show.warning(note)
        server.start()
        show.note(f"sidecar: running on port {server.port}, gRPC on {server.grpc_port or 'none'}")
        received.wait()
        server.stop(environment.worker_drain_timeout)
    finally:
        project.close()
    return received.exit_code


def open_sidecar(
    project: Project, request: Request | None = None, environment: SidecarEnvironment | None = None
) -> tuple[Sidecar, list[str]]:
    """The project's sidecar, not yet started, and what it cannot do, in sentences.

    Flag > environment > `workerkit.toml`. Without a folder of its own it takes
    names, policies and subscriptions from the project's, but not the servers:
    the events stay on the project's transport.
    """
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
    found = _resources(project, app_id, [app_id, *called], wanted)
    token = project.environment.app_api_token
    sidecar = Sidecar(
        found.pubsubs,
        app_id=app_id,
        stores=found.stores,
        apps=[App(name, its_port, token=token) for name, its_port in called.items()],
        subscriptions=found.subscriptions,
        host=project.environment.worker_host,
        port=http.port,
        grpc_port=grpc.port if grpc_installed() else None,
        token=project.environment.dapr_api_token,
    )
    return sidecar, found.notes


def _resources(project: Project, app_id: str, app_ids: Sequence[str], wanted: Request) -> Resources:
    """What the files define, and the components that every project has."""
    folder, local = wanted.resources, None
    if folder is None:
        folder, local = project.folder / RESOURCES, project.broker
    elif not folder.is_dir():
        raise ConfigurationError(f"--resources-path: there is no folder {folder}")
    found, lacking = Resources(), [] if grpc_installed() else ["no gRPC"]
    if folder.is_dir() and local is not None and not yaml_installed():
        lacking.append(f"{RESOURCES} is not read")
    elif folder.is_dir():
        place = Place(_open, local, project.lease, wanted.strict)
        found = read_resources(folder, app_id, app_ids, place)
    if lacking:
        way_out = "pip install 'workerkit[dapr]'"
        found.notes.append(f"sidecar: {' and '.join(lacking)}: {way_out}")
    name = project.file.sidecar.pubsub
    if name not in {each.name for each in found.pubsubs}:
        pubsub = PubSub(name, project.broker, lease=project.lease, strict=wanted.strict)
        found.pubsubs.append(pubsub)
    if not found.stores:
        found.stores.append(_store(project, app_id))
    return found


def _open(url: str, lease: float) -> Transport:
    return open_transport(url, Path(), lease)


def _store(project: Project, app_id: str) -> Store:
    """State where the events are, on their server; beside the embedded broker it does not last."""
    url = redis_url(project.file, project.environment)
    return RedisStore(STORE, url, app_id) if url else MemoryStore(STORE)


def _first(*choices: int | None) -> int:
    return next(choice for choice in choices if choice is not None)
