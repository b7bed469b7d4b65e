"""Names that people give, checked, and what follows from them."""

from __future__ import annotations

import keyword
import re
import sys
import sysconfig
from datetime import UTC, datetime
from importlib.machinery import PathFinder

from ..cron.expression import Expression
from ..errors import ConfigurationError

PROJECT_LIMIT, TOPIC_LIMIT = 64, 60
SERVICE_LIMIT, MODULE_LIMIT = 20, 30
"""Characters of modules' names: longer ones break the lines of generated code."""

RESERVED = {
    "the project has a folder of that name": ("deploy", "docs", "tests"),
    "deploy/k8s has a file of that name": (
        "kustomization", "pubsub", "resiliency", "scaling", "statestore",
    ),
    "PostgreSQL has a database of that name": ("postgres", "template0", "template1"),
    "the word means something in YAML": (
        "false", "n", "no", "null", "off", "on", "true", "y", "yes",
    ),
}  # fmt: skip
"""What no service can be called, by the reason."""


def check_project(name: str) -> str:
    """*name* as the name of a project's folder and distribution.

    Raises:
        ConfigurationError: It is a path, is too long, or has other characters.
    """
    if "/" in name or "\\" in name:
        raise ConfigurationError(
            f"{_short(name)} is a path: give a name, in the folder where the project shall be"
        )
    if len(name) > PROJECT_LIMIT:
        raise ConfigurationError(_too_long("project", name, PROJECT_LIMIT))
    # What PyPA's specification allows as the name of a distribution.
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        raise ConfigurationError(
            f"project {_short(name)}: a name has the letters a to z, digits, and - _ . between them"
        )
    return name


def check_service(name: str) -> str:
    """*name* as the name of a service and its package.

    Raises:
        ConfigurationError: No module can be called so, or another one is already.
    """
    _check_module("service", name, SERVICE_LIMIT)
    for reason, names in RESERVED.items():
        if name in names:
            raise ConfigurationError(f"service {name!r}: {reason}")
    if name in sys.stdlib_module_names:
        raise ConfigurationError(f"service {name!r}: a module of Python has that name")
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    if name == "workerkit" or PathFinder.find_spec(name, installed) is not None:
        raise ConfigurationError(f"service {name!r}: an installed package has that name")
    return name


def usual_service(project: str) -> str:
    """The name of *project*'s only service, when none is said."""
    name = re.sub(r"[^a-z0-9]+", "_", project.lower()).strip("_")
    try:
        return check_service(name)
    except ConfigurationError:
        return "app"


def check_job(name: str) -> str:
    """*name* as the name of a job and its module; raises ConfigurationError."""
    return _check_module("job", name)


def check_schedule(text: str) -> str:
    """*text* as a schedule that comes at least once; raises ConfigurationError."""
    if Expression.parse(text).next(datetime.now(UTC)) is None:
        raise ConfigurationError(f'cron "{text}" never fires')
    return text


def check_topic(topic: str) -> str:
    """*topic* as one that a worker can be made for.

    Raises:
        ConfigurationError: It is too long, or has other characters.
    """
    if len(topic) > TOPIC_LIMIT:
        raise ConfigurationError(_too_long("topic", topic, TOPIC_LIMIT))
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._:/-]*[A-Za-z0-9])?", topic):
        raise ConfigurationError(
            f"topic {_short(topic)}: use letters a to z, digits, and . _ : / - between them, "
            "e.g. order.placed"
        )
    return topic


def module_of(topic: str) -> str:
    """The module for a worker on *topic*: its last two words, e.g. `stock_updated`.

    Raises:
        ConfigurationError: They are too long.
    """
    words = [word for word in re.split(r"[./:]+", topic) if word][-2:]
    snakes = (re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).lower() for word in words)
    module = re.sub(r"[^a-z0-9]+", "_", "_".join(snakes)).strip("_")
    if keyword.iskeyword(module) or not module[0].isalpha():
        module = f"on_{module}"
    if len(module) > MODULE_LIMIT:
        raise ConfigurationError(_too_long("the last two words of topic", topic, MODULE_LIMIT))
    return module


def class_of(module: str) -> str:
    """`stock_updated` as the stem of a class: `StockUpdated`."""
    return "".join(word[:1].upper() + word[1:] for word in module.split("_"))


def _check_module(kind: str, name: str, limit: int = MODULE_LIMIT) -> str:
    if len(name) > limit:
        raise ConfigurationError(_too_long(kind, name, limit))
    if keyword.iskeyword(name):
        raise ConfigurationError(f"{kind} {name!r}: the word means something in Python")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        meant = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        usable = meant and meant[0].isalpha() and not keyword.iskeyword(meant)
        example = meant if usable else "orders"
        raise ConfigurationError(
            f"{kind} {_short(name)}: use a to z, digits and single _, e.g. {example}"
        )
    return name


def _too_long(kind: str, name: str, limit: int) -> str:
    return f"{kind} {_short(name)} has {len(name)} characters, at most {limit} can be"


def _short(name: str) -> str:
    return repr(name if len(name) <= 40 else f"{name[:37]}...")
