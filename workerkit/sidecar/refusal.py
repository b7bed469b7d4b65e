"""Answers that are no success, with Dapr's code for HTTP and the name of gRPC's."""

from __future__ import annotations

from ..errors import ConfigurationError, InvalidPayload, StorageError

NOT_PUBLISHED = "ERR_PUBSUB_PUBLISH_MESSAGE"


class Refusal(Exception):
    """*status* for HTTP, *code* as Dapr calls it, *grpc* a name of `grpc.StatusCode`."""

    def __init__(self, status: int, code: str, message: str, grpc: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.grpc = grpc


def refusal_of(error: Exception) -> Refusal:
    """*error* as an answer; what nobody foresaw is our own fault."""
    if isinstance(error, Refusal):
        return error
    message = str(error)
    if isinstance(error, ConfigurationError):
        return Refusal(400, "ERR_PUBSUB_REQUEST_METADATA", message, "INVALID_ARGUMENT")
    if isinstance(error, InvalidPayload):
        return Refusal(400, "ERR_PUBSUB_CLOUD_EVENTS_SER", message, "INVALID_ARGUMENT")
    if isinstance(error, StorageError):
        return Refusal(500, "ERR_STORAGE", message, "UNAVAILABLE")
    message = f"{type(error).__name__}; the log has its traceback"
    return Refusal(500, "ERR_INTERNAL", message, "INTERNAL")
