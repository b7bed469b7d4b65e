"""Finding user code: `package.module:attribute`, and names that were mistyped."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError


def load(reference: str, folder: Path) -> Any:
    """The object that *reference* (`package.module:attribute`) names, seen from *folder*.

    Raises:
        ConfigurationError: No such module or attribute; an error inside the
            module itself is raised as it is, with its traceback.
    """
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise ConfigurationError(f"{reference!r} must look like package.module:attribute")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise ConfigurationError(f"no module {module_name!r} in {folder}") from None
        raise
    if not hasattr(module, attribute):
        raise ConfigurationError(f"module {module_name!r} has no {attribute!r}")
    return getattr(module, attribute)


def home_of(reference: str, folder: Path) -> Path:
    """The folder of the package that *reference* leads into, seen from *folder*."""
    return folder / reference.partition(":")[0].partition(".")[0]


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line: *name* is no *kind*, what was probably meant, and what there is."""
    names = sorted(known)
    folded = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    meant = f"; did you mean {folded[near[0]]!r}?" if near else "."
    there = f" There is: {', '.join(names)}." if names else " There is none."
    return f"no {kind} {name!r}{meant}{there}"
