"""What child processes inherit."""

from __future__ import annotations

import os

from .settings import Environment


def environment_without_settings() -> dict[str, str]:
    """This process's environment without our settings.

    For a project that must not take its database, token or data folder from
    whoever happens to start it.
    """
    ours = {name.upper() for name in Environment.model_fields}
    return {name: value for name, value in os.environ.items() if name.upper() not in ours}


def environment_with(**variables: str) -> dict[str, str]:
    """This process's environment with *variables* set."""
    return {**os.environ, **variables}


def colour_unwanted() -> bool:
    """Whether NO_COLOR asks for plain text (no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))
