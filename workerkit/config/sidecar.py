"""What the environment says to the sidecar: daprd's own names for the app beside it."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict

from .project_file import Port
from .settings import read


class SidecarEnvironment(BaseSettings):
    """Each field is an upper-case variable of the same name; an empty one counts as unset.

    Read by the sidecar alone: Kubernetes gives every process an APP_PORT that
    is no number as soon as there is a service called `app`.
    """

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    app_id: str | None = None
    app_port: Port | None = None
    dapr_http_port: Port | None = None
    dapr_grpc_port: Port | None = None


def read_sidecar_environment() -> SidecarEnvironment:
    """Read it once.

    Raises:
        ConfigurationError: A variable does not fit; the message names it.
    """
    return read(SidecarEnvironment)
