"""The body of a bulk publish: an array of entries, each with its own content type."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ..config.problem import first_problem
from ..errors import InvalidPayload
from .envelopes import BINARY, CLOUD_EVENT, JSON, TEXT, media_type


class Entry(BaseModel):
    """One event and what is special about it."""

    id: Annotated[str, Field(alias="entryId", min_length=1)]
    event: Any = None
    given_type: Annotated[str | None, Field(alias="contentType")] = None
    metadata: dict[str, str] | None = None

    @property
    def content_type(self) -> str:
        """As it was sent; without one, text when the event is a string, else JSON."""
        return self.given_type or (TEXT if isinstance(self.event, str) else JSON)

    @property
    def options(self) -> dict[str, str]:
        """Its own metadata."""
        return self.metadata or {}

    def body(self) -> bytes:
        """The event as a single publish would have sent it; binary comes in base64.

        Raises:
            InvalidPayload: The event does not fit its content type.
        """
        media = media_type(self.content_type)
        if media in (JSON, CLOUD_EVENT):
            try:
                return orjson.dumps(self.event)
            except TypeError as error:
                raise InvalidPayload(f"the event cannot be written as JSON: {error}") from None
        if not isinstance(self.event, str):
            kind = type(self.event).__name__
            raise InvalidPayload(f"the event is a {kind}, {self.content_type} needs a string")
        if media != BINARY:
            return self.event.encode()
        try:
            return b64decode(self.event, validate=True)
        except ValueError as error:
            raise InvalidPayload(f"the event is not base64, {BINARY} needs it: {error}") from None


_ENTRIES = TypeAdapter(list[Entry])


def read_entries(body: bytes) -> list[Entry]:
    """The entries of a request.

    Raises:
        InvalidPayload: No JSON array of entries, or ids that cannot tell them apart.
    """
    try:
        entries = _ENTRIES.validate_python(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise InvalidPayload(f"the bulk request is not JSON: {error}") from None
    except ValidationError as error:
        raise InvalidPayload(f"the bulk request does not fit: {first_problem(error)}") from None
    check_ids([entry.id for entry in entries])
    return entries


def check_ids(ids: Iterable[str]) -> None:
    """Raises InvalidPayload when *ids* cannot tell the entries of a request apart."""
    seen: set[str] = set()
    for each in ids:
        if each in seen:
            raise InvalidPayload(f"entryId {each!r} is given twice, must be unique")
        seen.add(each)
