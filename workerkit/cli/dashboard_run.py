"""What `workerkit dashboard` does, alone or as a part of `workerkit dev`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

from ..config.settings import Environment, read_environment
from ..core.child import end_with_parent
from ..core.parts import reachable
from ..dashboard import Access, Dashboard
from ..dashboard.masking import Masks
from ..errors import ConfigurationError
from ..lookout import Lookout, actions_on
from ..observability.logs import set_up
from ..observability.server import LOOPBACK
from ..project import Project
from . import show
from .signals import Signals


@dataclass(frozen=True, slots=True)
class Request:
    """The flags. *local*: on this machine alone, without a login, with everything allowed."""

    redis: str | None
    database: str | None
    host: str | None
    port: int | None
    url: str | None
    allow_actions: bool
    mask: str
    local: bool
    tied: bool


def run(request: Request) -> int:
    """Serve until a signal; 130 after SIGINT.

    Raises:
        ConfigurationError: The token or the URL will not do.
        StartStopError: The port is taken.
    """
    if request.tied:
        end_with_parent()
    received = Signals()
    environment = _environment(request)
    set_up(environment.log_format, "dashboard")
    project = Project.open(Path.cwd(), environment)
    try:
        lookout = Lookout(project, experiments=request.local)
        token = environment.workerkit_dashboard_token or token_urlsafe(24)
        server = _server(request, environment, lookout, token)
        lookout.workers.start()
        server.start()
        host = f"[{server.host}]" if ":" in server.host else reachable(server.host)
        if not (request.local or environment.workerkit_dashboard_token):
            show.note(f"token, until it ends: {token}")
        show.note(f"dashboard: http://{host}:{server.port}")
        received.wait()
        server.stop(5.0)
        lookout.workers.stop(5.0)
    finally:
        project.close()
    return received.exit_code


def _environment(request: Request) -> Environment:
    flags = {"redis_url": request.redis, "database_url": request.database}
    return read_environment().model_copy(update={k: v for k, v in flags.items() if v})


def _server(request: Request, environment: Environment, lookout: Lookout, token: str) -> Dashboard:
    host = request.host or environment.worker_host
    if request.local and host not in LOOPBACK:
        raise ConfigurationError(f"--local with {host}: only this machine may see it without login")
    port = lookout.project.file.dashboard.port if request.port is None else request.port
    return Dashboard(
        lookout,
        actions_on(lookout) if request.allow_actions or request.local else None,
        Access(token, login=not request.local, url=request.url),
        masks=Masks(request.mask.split(",")),
        host=host,
        port=port,
    )
