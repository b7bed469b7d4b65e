"""The dashboard's drawing, forms, masks and words, without a server."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field

from workerkit.dashboard.forms import data_of, fields, inputs
from workerkit.dashboard.graph import layout, ordered, ranks
from workerkit.dashboard.html import Html, join, tag
from workerkit.dashboard.masking import MASK, Masks
from workerkit.dashboard.model import Draft, Flow, Node
from workerkit.dashboard.words import breakable, duration, rate
from workerkit.errors import InvalidPayload
from workerkit.events.example import payload_schema

EVIL = "<script>'\"&"


def test_whatever_is_no_html_is_escaped():
    made = tag("p", EVIL, [EVIL, tag("b", EVIL)], title=EVIL, data_key=EVIL)
    escaped = "&lt;script&gt;&#x27;&quot;&amp;"
    assert made == (f'<p title="{escaped}" data-key="{escaped}">{escaped}{escaped}'
                    f"<b>{escaped}</b></p>")  # fmt: skip
    assert join(Html("<i>"), None, 3) == "<i>3"


def test_an_attribute_that_is_false_is_left_out():
    assert tag("input", required=True, disabled=False, value=None, class_="x") == (
        '<input required class="x">'
    )


def nodes(*names: str) -> list[Node]:
    return [Node(name, "topic", name, "idle") for name in names]


def flows(*pairs: str) -> list[Flow]:
    return [Flow(pair[0], pair[1], None) for pair in pairs]


def test_a_node_is_drawn_behind_all_that_come_before_it():
    assert ranks(nodes(*"abcd"), flows("ab", "bc", "ac", "cd")) == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_a_way_that_comes_back_ends():
    assert sorted(ranks(nodes(*"abc"), flows("ab", "bc", "ca", "bb")).values()) == [0, 1, 2]


def test_within_a_rank_a_node_is_near_to_what_it_is_connected_with():
    rows = ordered(nodes(*"abcxyz"), flows("az", "bx", "cy"))
    before, after = ("".join(node.id for node in row) for row in rows)
    assert after == before.translate(str.maketrans("abc", "zxy"))


@pytest.mark.parametrize("down", [False, True])
def test_no_two_boxes_overlap(down):
    rows = ordered(nodes(*"abcdefgh"), flows("ab", "ac", "ad", "be", "cf", "dg", "gh"))
    boxes, width, height = layout(rows, down=down)
    for n, a in enumerate(boxes):
        assert 0 <= a.x <= width - a.width
        assert 0 <= a.y <= height - a.height
        for b in boxes[n + 1 :]:
            apart = (a.x + a.width <= b.x or b.x + b.width <= a.x
                     or a.y + a.height <= b.y or b.y + b.height <= a.y)  # fmt: skip
            assert apart, (a, b)


class Inner(BaseModel):
    street: str


class Order(BaseModel):
    order_id: int = Field(alias="orderId", ge=1)
    weight: float | None = None
    paid: bool = False
    note: str = ""
    address: Inner | None = None


ORDER = Draft("orders", payload_schema(Order), {"orderId": 1, "paid": False}, ())


def test_a_form_has_a_field_for_every_property_by_its_name_on_the_wire():
    kinds = {field.name: field.kind for field in fields(ORDER)}
    assert kinds == {"orderId": "integer", "weight": "number", "paid": "boolean", "note": "text",
                     "address": "json"}  # fmt: skip
    assert 'for="field-orderId"' in inputs(ORDER)
    assert "at least 1" in inputs(ORDER)


def test_what_a_form_sends_is_the_payload_without_what_was_left_empty():
    sent = {"field.orderId": "7", "field.weight": "", "field.paid": "true", "field.note": "12",
            "field.address": '{"street": "x"}'}  # fmt: skip
    assert data_of(ORDER, sent) == {"orderId": 7, "paid": True, "note": "12",
                                    "address": {"street": "x"}}  # fmt: skip


def test_json_in_a_form_beats_its_fields():
    assert data_of(ORDER, {"json": "[1]", "field.orderId": "7"}) == [1]


def test_a_field_that_cannot_be_read_is_named():
    with pytest.raises(InvalidPayload, match="orderId: 'seven' is no JSON"):
        data_of(ORDER, {"field.orderId": "seven"})


def test_a_payload_that_is_no_object_has_no_fields():
    assert inputs(Draft("t", payload_schema(list[int]), [1], ())) is None
    assert inputs(Draft("t", {}, {}, ())) is None


CUSTOMER = {"email": "a@b.example", "card": {"number": "4111", "name": "A"}, "number": 5,
            "others": [{"email": "c@d.example"}]}  # fmt: skip


def test_masked_fields_are_hidden_at_every_depth():
    assert Masks(["email", "card.number"]).data(CUSTOMER) == {
        "email": MASK, "card": {"number": MASK, "name": "A"}, "number": 5,
        "others": [{"email": MASK}],
    }  # fmt: skip


def test_what_is_hidden_is_hidden_in_errors_too():
    masks = Masks(["email", "card"])
    said = "no mail for a@b.example with 4111, nor c@d.example"
    assert masks.text(said, CUSTOMER) == f"no mail for {MASK} with {MASK}, nor {MASK}"


def test_json_inside_a_text_is_looked_into():
    assert Masks(["email"]).data('{"email": "a@b.example"}') == {"email": MASK}
    assert Masks(["email"]).data("no JSON") == "no JSON"


def test_without_masks_nothing_is_hidden():
    assert Masks([""]).data(CUSTOMER) is CUSTOMER
    assert not Masks([""]).hides(CUSTOMER)
    assert Masks(["email"]).hides(CUSTOMER)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0032, "3.2 ms"), (0.85, "850 ms"), (0.9996, "1.0 s"), (12.3, "12 s"), (99.6, "2 min"),
     (7200, "2 h"), (259_200, "3 d")],
)  # fmt: skip
def test_durations_have_two_digits(seconds, text):
    assert duration(seconds) == text


def test_rates_have_a_digit_behind_the_point_while_they_are_small():
    assert [rate(value) for value in (None, 0.0, 0.25, 12.6, 4321.0)] == [
        "-", "0/s", "0.2/s", "13/s", "4,321/s",
    ]  # fmt: skip


def test_names_break_behind_their_separators():
    assert breakable("a/<b>_c") == "a/<wbr>&lt;b&gt;_<wbr>c<wbr>"
