"""`.workerkit-answers.toml`: what a project was told when it was made, and by which templates."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ConfigurationError
from .problem import first_problem
from .project_file import Port

ANSWERS = ".workerkit-answers.toml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EventAnswers(_Strict):
    """An event worker: its topic, and the module that it is in."""

    topic: str
    module: str


class CronAnswers(_Strict):
    """A job; its module has its name."""

    name: str
    schedule: str


class ServiceAnswers(_Strict):
    """A service; `port` is that of its API, the workers' follow it."""

    name: str
    port: Port
    events: tuple[EventAnswers, ...] = ()
    cron: tuple[CronAnswers, ...] = ()


class Answers(_Strict):
    """The whole file; `templates` is the version of the templates that were used last."""

    templates: Annotated[int, Field(ge=1)]
    name: str
    services: tuple[ServiceAnswers, ...] = ()


def read_answers(folder: Path) -> Answers | None:
    """The answers kept in *folder*; None when it has none: no `workerkit new` made it.

    Raises:
        ConfigurationError: The file cannot be read, or what it holds does not fit.
    """
    path = folder / ANSWERS
    try:
        return Answers.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{ANSWERS}: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{ANSWERS}: {first_problem(error, got=True)}") from None
