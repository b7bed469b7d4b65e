"""`workerkit.toml`: what a project is made of."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ConfigurationError
from .problem import first_problem

FILE = "workerkit.toml"

Port = Annotated[int, Field(ge=0, le=65535)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ports(_Strict):
    """Ports of a service's processes; 0 takes any free one."""

    api: Port = 8001
    events: Port = 8002
    cron: Port = 8003


class ServiceEntry(_Strict):
    """One service: where its `wire` function is, and what is special about it."""

    wire: str
    database: str | None = None
    """A SQLAlchemy URL; None means `DATA/SERVICE.db`."""
    ports: Ports = Ports()
    concurrency: Annotated[int, Field(ge=1, le=1000)] | None = None
    api_threads: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Threads for the API's `def` handlers; None leaves it to AnyIO, which takes 40."""
    modes: tuple[Literal["api", "events", "cron"], ...] | None = None
    """The modes that the service has; None means: ask its `wire`."""


class SidecarEntry(_Strict):
    """The local sidecar."""

    port: Port = 3500
    grpc_port: Port = 50001
    pubsub: str = "pubsub"


class DashboardEntry(_Strict):
    """The page of `workerkit dev` and `workerkit dashboard`."""

    port: Port = 8080


class DaprEntry(_Strict):
    """How events come from a Dapr sidecar: it calls us over HTTP, or we hold a gRPC stream."""

    receive: Literal["http", "stream"] = "http"


class RequestEntry(_Strict):
    """A request that load tests send, *weight* times as often as one of weight 1."""

    path: str
    method: str = "GET"
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    body: Any = None
    """Sent as JSON; None sends nothing."""


class LoadtestEntry(_Strict):
    """What `workerkit loadtest` sends and demands when its flags do not say.

    `requests` are by service. Thresholds read like `p95<150ms`; `tolerance` is how
    much worse than a baseline is still well: 0.1 is a tenth.
    """

    requests: dict[str, tuple[RequestEntry, ...]] = {}
    api: tuple[str, ...] = ("p95<150ms", "errors<0.1%")
    events: tuple[str, ...] = ("rate>=100/s",)
    tolerance: Annotated[float, Field(ge=0, le=10)] = 0.1


class SendEntry(_Strict):
    """What starts an event on its way: *body* is posted to *path* of the process *to*.

    "{number}" in the body stands for a number that is drawn anew each time: the
    number itself as a whole text, its digits within a longer one.
    """

    to: str
    path: str
    body: dict[str, Any]


class SeeEntry(_Strict):
    """Where the number shows at the other end: in *field* of what *path* of *at* answers.

    The field is the number, or a text of which it is a word.
    """

    at: str
    path: str
    field: str


class SmokeEntry(_Strict):
    """The event with which `workerkit deploy verify` tries a deployment from end to end.

    It should concern a product or account that is there for tests alone. Processes
    are named as `pricing api`, or `sidecar`; *within* is in seconds.
    """

    send: SendEntry
    see: SeeEntry
    within: Annotated[float, Field(gt=0, le=600)] = 10.0


class ProjectFile(_Strict):
    """The whole file. `data` is relative to the file's folder."""

    name: str = "project"
    transport: Literal["sqlite", "redis", "dapr"] | None = None
    """None means: redis where REDIS_URL or `redis` names a server, else sqlite."""
    redis: str | None = None
    data: str = ".workerkit"
    lease: Annotated[float, Field(gt=0)] = 30.0
    sidecar: SidecarEntry = SidecarEntry()
    dashboard: DashboardEntry = DashboardEntry()
    dapr: DaprEntry = DaprEntry()
    loadtest: LoadtestEntry = LoadtestEntry()
    smoke: SmokeEntry | None = None
    services: dict[str, ServiceEntry] = {}


def find_project(start: Path) -> Path | None:
    """The nearest folder at or above *start* that holds `workerkit.toml`."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder
    return None


def read_project(folder: Path) -> ProjectFile:
    """Read and check `workerkit.toml` in *folder*.

    Raises:
        ConfigurationError: Not TOML, an unknown key, or a value that does not fit.
    """
    path = folder / FILE
    try:
        return parse_project(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{FILE}: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None


def parse_project(text: str) -> ProjectFile:
    """The project file that *text* is.

    Raises:
        ConfigurationError: Not TOML, an unknown key, or a value that does not fit.
    """
    try:
        return ProjectFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{FILE}: {error}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{FILE}: {first_problem(error, got=True)}") from None


def single_file_project(folder: Path) -> ProjectFile | None:
    """A project of one Python file in *folder* with a top-level `def wire`, else None.

    Raises:
        ConfigurationError: More than one file has a `wire`.
    """
    found = [path for path in sorted(folder.glob("*.py")) if _defines_wire(path)]
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ConfigurationError(f"{names} each define wire(); name the one to run in {FILE}")
    stem = found[0].stem
    return ProjectFile(name=folder.name, services={stem: ServiceEntry(wire=f"{stem}:wire")})


def _defines_wire(path: Path) -> bool:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == "wire" for node in tree.body)
