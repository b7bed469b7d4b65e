"""What `workerkit` offers to import: curated, documented, and cheap to import."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import workerkit

MOST = 25

HEAVY = ("fastapi", "pydantic", "sqlalchemy", "starlette", "uvicorn")


def test_what_is_visible_is_what_is_offered():
    assert dir(workerkit) == sorted(workerkit.__all__) == workerkit.__all__


def test_a_type_checker_sees_the_same_names():
    tree = ast.parse(Path(workerkit.__file__).read_text())
    typed = [
        alias.asname or alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    ]
    assert sorted(typed) == workerkit.__all__


def test_the_public_names_are_few():
    assert len(workerkit.__all__) <= MOST


@pytest.mark.parametrize("name", workerkit.__all__)
def test_a_public_name_can_be_imported_and_is_documented(name):
    offered = getattr(workerkit, name)
    assert offered.__doc__, f"{name} has no docstring"
    if inspect.isclass(offered):
        bare = [
            method
            for method, value in vars(offered).items()
            if not method.startswith("_") and callable(value) and not inspect.getdoc(value)
        ]
        assert bare == [], f"methods of {name} without a docstring"


def test_a_name_that_is_not_offered_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Worekr'"):
        _ = workerkit.Worekr


def test_importing_workerkit_loads_nothing_heavy():
    program = f"import sys, workerkit; print(*[n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
