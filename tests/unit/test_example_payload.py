from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    FutureDatetime,
    PastDate,
    TypeAdapter,
    conlist,
    field_validator,
)
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

from workerkit.errors import ConfigurationError
from workerkit.events.example import example_payload


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class Line(Camel):
    unit_price: int
    colour: Colour


class Order(Camel):
    order_id: UUID
    placed_at: datetime
    day: date
    total_amount: Decimal
    kind: Literal["normal", "express"]
    order_lines: list[Line]
    note: str | None
    tags: set[str]
    limits: dict[str, int]
    currency: str = "EUR"


def test_keys_are_those_of_the_wire_and_nested_models_are_filled():
    example = example_payload(Order)
    assert example["orderLines"] == [{"unitPrice": 1, "colour": "red"}]
    assert example["kind"] == "normal"
    assert example["currency"] == "EUR"
    assert example["note"] == "note-1"
    assert Order.model_validate(example).order_lines[0].colour is Colour.RED


def test_the_same_example_is_made_each_time():
    assert example_payload(Order) == example_payload(Order)


def test_a_fields_own_example_comes_before_its_default():
    class Stock(BaseModel):
        sku: str = Field("SKU-000", examples=["SKU-001"])
        level: int = 7

    assert example_payload(Stock) == {"sku": "SKU-001", "level": 7}


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, Field(ge=5, le=6)],
        Annotated[int, Field(gt=5, lt=7)],
        Annotated[int, Field(lt=-3)],
        Annotated[int, Field(ge=10, multiple_of=7)],
        Annotated[float, Field(gt=0, lt=0.5)],
        Annotated[float, Field(ge=-2, le=-1)],
        Annotated[Decimal, Field(gt=0, max_digits=6, decimal_places=2)],
        Annotated[str, Field(min_length=12, max_length=14)],
        Annotated[str, Field(max_length=2)],
        Annotated[str, Field(pattern=r"^SKU-\d{3}$")],
        Annotated[str, Field(pattern=r"^[A-Z]{3}$")],
        Annotated[str, Field(pattern=r"^(red|blue)(-\w+)?[^a]$")],
        Annotated[str, Field(pattern=r"^\d+$", min_length=5)],
        conlist(int, min_length=3),
        Annotated[set[int], Field(min_length=3)],
        Annotated[frozenset[Colour], Field(min_length=2)],
        tuple[int, str],
        dict[Colour, int],
        FutureDatetime,
        PastDate,
        time,
        timedelta,
        bytes,
        bool,
        None,
        int | str,
    ],
)
def test_what_is_made_keeps_the_constraints(annotation):
    TypeAdapter(annotation).validate_python(example_payload(annotation))


def test_a_discriminated_union_takes_its_first_member():
    class Paid(BaseModel):
        kind: Literal["paid"]
        amount: int

    class Refused(BaseModel):
        kind: Literal["refused"]

    class Payment(BaseModel):
        result: Annotated[Paid | Refused, Field(discriminator="kind")]

    assert example_payload(Payment) == {"result": {"kind": "paid", "amount": 1}}


class Tree(BaseModel):
    name: str
    children: list[Tree]
    parent: Tree | None = None


def test_a_model_that_holds_itself_comes_to_an_end():
    Tree.model_validate(example_payload(Tree))


def test_extra_keys_are_not_invented_for_a_strict_model():
    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")
        product: str = Field(validation_alias=AliasChoices("productId", "product"))

    assert example_payload(Strict) == {"productId": "productId-1"}


def test_a_payload_need_not_be_a_model():
    class Typed(TypedDict):
        id: int

    @dataclass
    class Point:
        x: float

    assert example_payload(Typed) == {"id": 1}
    assert example_payload(Point) == {"x": 1}
    assert example_payload(list[Line]) == [{"unitPrice": 1, "colour": "red"}]


def test_a_model_that_refuses_the_example_is_named_with_the_field():
    class Picky(BaseModel):
        code: str

        @field_validator("code")
        @classmethod
        def _check(cls, code: str) -> str:
            if code != "42":
                raise ValueError("must be 42")
            return code

    with pytest.raises(ConfigurationError, match=r"no example of Picky .* code: .*must be 42"):
        example_payload(Picky)


def test_a_type_without_a_schema_says_so():
    class Odd(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        thing: Thing

    with pytest.raises(ConfigurationError, match="no example of Odd"):
        example_payload(Odd)


class Thing:
    """Not known to pydantic."""


def test_any_has_no_example():
    with pytest.raises(ConfigurationError, match="any payload"):
        example_payload(Any)
