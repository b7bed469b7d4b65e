"""Settings of one process: flag > environment > `workerkit.toml` > default."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ..core.loading import unknown
from ..errors import ConfigurationError
from .problem import first_problem
from .project_file import Port, ProjectFile

Mode = Literal["api", "events", "cron", "all", "inline"]
Transport = Literal["sqlite", "redis", "dapr"]
Read = TypeVar("Read", bound=BaseSettings)
LOCAL_REDIS = "redis://127.0.0.1:6379/0"
"""Where a project that asks for redis without naming a server finds it."""

MODES: tuple[Mode, ...] = ("api", "events", "cron", "all", "inline")


class Environment(BaseSettings):
    """What the environment says; each field is an upper-case variable of the same name.

    An empty variable counts as unset.
    """

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    worker_mode: str | None = None
    worker_concurrency: Annotated[int, Field(ge=1, le=1000)] | None = None
    worker_lease: Annotated[float, Field(gt=0)] | None = None
    worker_drain_timeout: Annotated[float, Field(ge=0)] = 25.0
    worker_host: str = "127.0.0.1"
    database_url: str | None = None
    redis_url: str | None = None
    log_format: Literal["json", "text"] | None = None
    worker_transport: Transport | None = None
    dapr_http_port: Port | None = None
    dapr_grpc_port: Port | None = None
    dapr_health_timeout: Annotated[float, Field(ge=0)] = 60.0
    dapr_api_token: str | None = None
    otel_exporter_otlp_endpoint: str | None = None
    """Given, spans go there; the SDK reads it, and its siblings, itself."""
    app_port: str | None = None
    """Text: Kubernetes sets APP_PORT to a URL where some service is called "app"."""
    app_api_token: str | None = None
    workerkit_data: str | None = None
    workerkit_dashboard_token: str | None = None
    workerkit_probe: str | None = None
    """Set by chaos runs for their processes, see `chaos.probe`."""


def transport_name(file: ProjectFile, environment: Environment) -> str | None:
    """What WORKER_TRANSPORT, else the project file, says; None lets the Redis URL decide."""
    return environment.worker_transport or file.transport


def redis_url(file: ProjectFile, environment: Environment) -> str | None:
    """The Redis server that carries the project's events; None means the embedded broker.

    With Dapr: where the sidecar keeps them, as far as that is known.
    """
    chosen = transport_name(file, environment)
    if chosen == "sqlite":
        return None
    url = environment.redis_url or file.redis
    return url or (LOCAL_REDIS if chosen == "redis" else None)


def callback_port(environment: Environment, admin_port: int) -> int:
    """Where a Dapr sidecar calls a worker: APP_PORT, else 100 above its admin port; 0 stays 0.

    Raises:
        ConfigurationError: APP_PORT is no port.
    """
    given = environment.app_port
    if given is None:
        return admin_port + 100 if admin_port else 0
    if not given.isdecimal() or not 1 <= int(given) <= 65535:
        raise ConfigurationError(
            f"environment variable APP_PORT: must be a port from 1 to 65535, got {given!r}"
        )
    return int(given)


def read_environment() -> Environment:
    """Read the environment once.

    Raises:
        ConfigurationError: A variable does not fit; the message names it.
    """
    return read(Environment)


def read(kind: type[Read]) -> Read:
    """The settings of *kind*, as the environment has them.

    Raises:
        ConfigurationError: A variable does not fit; the message names it.
    """
    try:
        return kind()
    except ValidationError as error:
        name, _, rest = first_problem(error, got=True).partition(":")
        raise ConfigurationError(f"environment variable {name.upper()}:{rest}") from None


def check_mode(name: str, source: str) -> Mode:
    """*name* as a mode.

    Raises:
        ConfigurationError: There is no such mode; says where it came from and what was meant.
    """
    for mode in MODES:
        if name == mode:
            return mode
    raise ConfigurationError(f"{source}: {unknown('mode', name, MODES)}")
