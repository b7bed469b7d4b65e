"""What the sidecar stores for what it is sent, without sockets."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import pytest

from workerkit.errors import ConfigurationError, InvalidPayload
from workerkit.events.envelope import decode
from workerkit.sidecar.bulk import read_entries
from workerkit.sidecar.envelopes import Options, Publication, media_type, read_options, wrap

NOW = 1795491753.9  # 2026-11-24T03:42:33.9Z
TRACE = "00-113ad9c4e42b27583ae98ba698d54255-e3743e35ff56f219-01"


def about(content_type: str = "application/json", **fields: Any) -> Publication:
    return Publication("warehouse.stock.updated", "pubsub", "app-a", content_type, **fields)


def stored(body: bytes, content_type: str = "application/json", **fields: Any) -> dict[str, Any]:
    return json.loads(wrap(body, about(content_type, **fields), NOW))


def overriding(**attributes: str) -> Options:
    return read_options([(f"cloudevent.{name}", value) for name, value in attributes.items()])


def test_the_checklists_request_is_stored_byte_for_byte_as_dapr_stores_it():
    options = overriding(id="9226c2f7-8405-4987-bb6f-c433c219db57")
    sent = b'{"productId":"test-123","sku":"SKU-001","newStock":100}'
    assert wrap(sent, about(options=options), NOW).decode() == (
        '{"data":{"newStock":100,"productId":"test-123","sku":"SKU-001"},'
        '"datacontenttype":"application/json","id":"9226c2f7-8405-4987-bb6f-c433c219db57",'
        '"pubsubname":"pubsub","source":"app-a","specversion":"1.0",'
        '"time":"2026-11-24T03:42:33Z","topic":"warehouse.stock.updated",'
        '"traceid":"","traceparent":"","tracestate":"","type":"com.dapr.event.sent"}'
    )


def test_an_id_is_a_random_uuid():
    first, second = stored(b"1")["id"], stored(b"1")["id"]
    assert (UUID(first).version, first == second) == (4, False)


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("application/json", b'{"a": [1, null]}', {"a": [1, None]}),
        ("application/json; charset=utf-8", b"1", 1),
        ("Application/JSON", b"true", True),
        ("application/json", b"{broken", "{broken"),
        ("application/json", b"", ""),
        ("application/json", b"NaN", "NaN"),
        ("text/plain", b'{"a": 1}', '{"a": 1}'),
        ("", "Grüße".encode(), "Grüße"),
        ("application/xml", b"<a/>", "<a/>"),
    ],
)
def test_the_content_type_decides_what_data_is(content_type, body, data):
    envelope = stored(body, content_type)
    assert envelope["data"] == data
    assert envelope["datacontenttype"] == (content_type or "text/plain")
    assert "data_base64" not in envelope


def test_binary_is_kept_in_base64():
    envelope = stored(b"\xff\x00", "application/octet-stream")
    assert base64.b64decode(envelope["data_base64"]) == b"\xff\x00"
    assert "data" not in envelope


def test_a_media_type_has_no_parameters_and_is_text_when_there_is_none():
    assert media_type("Text/HTML; charset=x") == "text/html"
    assert media_type(" ;") == media_type("") == "text/plain"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_a_body_that_is_not_utf8_is_refused_with_the_byte_and_the_way_out(content_type):
    with pytest.raises(InvalidPayload, match=r"not UTF-8 at byte 1: .*application/octet-stream"):
        stored(b'"\xff"', content_type)


@pytest.mark.parametrize("levels", [300, 5000])
@pytest.mark.parametrize("content_type", ["application/json", "application/cloudevents+json"])
def test_a_body_that_is_nested_too_deeply_is_refused(content_type, levels):
    deep = b'{"data":' + b"[" * levels + b"]" * levels + b"}"
    with pytest.raises(InvalidPayload, match="nested too deeply, 250 levels are safe"):
        stored(deep, content_type)


def test_250_levels_are_safe_and_can_be_read_back():
    body = wrap(b"[" * 250 + b"]" * 250, about(), NOW)
    assert isinstance(decode(body, "t", "1").data, list)


def test_a_cloud_event_is_kept_as_sent_with_its_extensions():
    sent = {
        "id": "e1",
        "source": "/shop",
        "type": "shop.order",
        "specversion": "1.0",
        "time": "2020-01-02T03:04:05+02:00",
        "datacontenttype": "application/xml",
        "data": "<a/>",
        "subject": "7",
        "mine": {"b": 1},
        "traceparent": TRACE,
        "topic": "elsewhere",
    }
    envelope = stored(json.dumps(sent).encode(), "application/cloudevents+json; charset=utf-8")
    assert envelope == {
        **sent,
        "topic": "warehouse.stock.updated",
        "pubsubname": "pubsub",
        "traceid": "",
        "tracestate": "",
    }


def test_what_a_cloud_event_lacks_is_filled():
    envelope = stored(
        b'{"data": {"a": 1}, "source": "", "type": null}', "application/cloudevents+json"
    )
    assert UUID(envelope.pop("id")).version == 4
    assert envelope == {
        "data": {"a": 1},
        "datacontenttype": "application/json",
        "pubsubname": "pubsub",
        "source": "app-a",
        "specversion": "1.0",
        "time": "2026-11-24T03:42:33Z",
        "topic": "warehouse.stock.updated",
        "traceid": "",
        "traceparent": "",
        "tracestate": "",
        "type": "com.dapr.event.sent",
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{broken", "not JSON"),
        (b"[1]", "is a list, must be an object"),
        (b'{"id": 5}', "id is 5, must be a string"),
        (b'{"id": "\xff"}', "not JSON"),
    ],
)
def test_a_cloud_event_that_is_none_is_refused(body, message):
    with pytest.raises(InvalidPayload, match=message):
        stored(body, "application/cloudevents+json")


@pytest.mark.parametrize("content_type", ["application/json", "application/cloudevents+json"])
def test_metadata_overrides_the_envelope(content_type):
    options = overriding(id="mine", source="s", type="t", subject="7", tracestate="x=1")
    envelope = stored(b'{"id": "sent"}', content_type, options=options)
    shown = [envelope[name] for name in ("id", "source", "type", "subject", "tracestate")]
    assert shown == ["mine", "s", "t", "7", "x=1"]


def test_metadata_can_override_neither_topic_nor_data():
    envelope = stored(b"1", options=overriding(topic="x", data="x", pubsubname="x", ID="kept"))
    shown = [envelope[name] for name in ("topic", "data", "pubsubname", "id")]
    assert shown == ["warehouse.stock.updated", 1, "pubsub", "kept"]


def test_an_empty_override_leaves_the_attribute():
    assert stored(b"1", options=overriding(source=""))["source"] == "app-a"


def test_the_trace_header_goes_to_both_fields_and_metadata_goes_over_it():
    envelope = stored(b"1", traceparent=TRACE, tracestate="a=b")
    assert (envelope["traceid"], envelope["traceparent"], envelope["tracestate"]) == (
        TRACE, TRACE, "a=b",
    )  # fmt: skip
    envelope = stored(b"1", traceparent="header", options=overriding(traceparent=TRACE))
    assert (envelope["traceid"], envelope["traceparent"]) == (TRACE, TRACE)


def test_ttl_becomes_an_expiration_that_is_never_early():
    body = wrap(b"1", about(options=read_options([("ttlInSeconds", "60")])), NOW)
    assert json.loads(body)["expiration"] == "2026-11-24T03:43:34Z"
    assert decode(body, "t", "1").expires == 1795491814.0
    assert "expiration" not in stored(b"1")


@pytest.mark.parametrize("ttl", ["0", "-1", "1.5", "soon", "", "٣", "2147483648", "9" * 5000])
def test_a_ttl_that_is_none_is_refused(ttl):
    with pytest.raises(ConfigurationError, match=r"ttlInSeconds is '.*', must be a whole number"):
        read_options([("ttlInSeconds", ttl)])


@pytest.mark.parametrize("name", ["ttlInSeconds", "rawPayload", "cloudevent.id"])
def test_metadata_that_is_given_twice_is_refused(name):
    with pytest.raises(ConfigurationError, match=f"{name} is given twice"):
        read_options([(name, "1"), (name.upper(), "1")])


def test_a_raw_payload_is_stored_verbatim():
    options = read_options([("rawPayload", "true"), ("ttlInSeconds", "5")])
    assert wrap(b"\xff not json", about(options=options), NOW) == b"\xff not json"
    assert read_options([("rawPayload", "False")]).raw is False


def test_a_raw_payload_flag_that_is_neither_is_refused():
    with pytest.raises(ConfigurationError, match="rawPayload is 'yes', must be true or false"):
        read_options([("rawPayload", "yes")])


def test_metadata_for_other_components_is_ignored():
    assert read_options([("partitionKey", "a"), ("partitionKey", "b")]) == Options()


def test_an_entrys_options_go_over_those_of_its_request():
    request = read_options([("ttlInSeconds", "5"), ("cloudevent.type", "a"), ("rawPayload", "1")])
    options = read_options([("cloudevent.type", "b"), ("rawPayload", "0")], request)
    assert options == Options(raw=False, ttl=5, attributes={"type": "b"})


@pytest.mark.parametrize(
    ("event", "content_type", "sent_type", "body"),
    [
        ({"a": 1}, "application/json", "application/json", b'{"a":1}'),
        ("text", "application/json", "application/json", b'"text"'),
        ("text", "text/plain", "text/plain", b"text"),
        ("/wA=", "application/octet-stream", "application/octet-stream", b"\xff\x00"),
        (
            {"id": "1"},
            "application/cloudevents+json",
            "application/cloudevents+json",
            b'{"id":"1"}',
        ),
        ("text", None, "text/plain", b"text"),
        ([1], None, "application/json", b"[1]"),
    ],
)
def test_an_entry_has_the_body_that_a_request_of_its_own_would_have(
    event, content_type, sent_type, body
):
    sent = [{"entryId": "1", "event": event, "contentType": content_type, "metadata": None}]
    (entry,) = read_entries(json.dumps(sent).encode())
    assert (entry.content_type, entry.body()) == (sent_type, body)


@pytest.mark.parametrize(
    ("event", "content_type", "message"),
    [
        ({"a": 1}, "text/plain", "the event is a dict, text/plain needs a string"),
        ("no!", "application/octet-stream", "the event is not base64"),
        (5, "application/octet-stream", "the event is a int, .* needs a string"),
    ],
)
def test_an_event_that_does_not_fit_its_content_type_is_refused(event, content_type, message):
    sent = [{"entryId": "1", "event": event, "contentType": content_type}]
    (entry,) = read_entries(json.dumps(sent).encode())
    with pytest.raises(InvalidPayload, match=message):
        entry.body()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "is not JSON"),
        (b"{}", "the whole: Input should be a valid list"),
        (b'[{"event": 1}]', "0.entryId: Field required"),
        (b'[{"entryId": ""}]', "0.entryId: String should have at least 1 character"),
        (b'[{"entryId": "1"}, {"entryId": "1"}]', "entryId '1' is given twice"),
        (b'[{"entryId": "1", "metadata": {"a": 1}}]', "0.metadata.a: Input should be a valid str"),
    ],
)
def test_a_bulk_request_that_cannot_be_answered_entry_by_entry_is_refused(body, message):
    with pytest.raises(InvalidPayload, match=message):
        read_entries(body)
