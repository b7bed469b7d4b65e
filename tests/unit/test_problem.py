"""What pydantic found wrong, in one line."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from workerkit.config.problem import first_problem


class Order(BaseModel):
    number: int
    lines: list[int] = []


def problem(data: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Order).validate_python(data)
    return caught.value


@pytest.mark.parametrize(
    ("data", "told", "got"),
    [
        ({"number": "x"}, "number: Input should be a valid integer", ", got 'x'"),
        ({"number": 1, "lines": [1, "y"]}, "lines.1: Input should be a valid integer", ", got 'y'"),
        ({}, "number: Field required", ""),
        ([], "payload: Input should be a valid dictionary", ", got []"),
    ],
)
def test_the_first_problem_has_its_place_and_the_value_only_when_asked(data, told, got):
    shown = first_problem(problem(data), "payload")
    assert shown.startswith(told) and "\n" not in shown
    assert not got or got not in shown
    assert first_problem(problem(data), "payload", got=True) == shown + got


def test_what_is_wrong_as_a_whole_has_a_place_too():
    assert first_problem(problem(5)).startswith("the whole: ")
