"""Every error that workerkit raises on purpose, with the exit code the CLI gives it.

WorkerkitError                exit 1   our own fault
├── ConfigurationError        exit 2   a setting, name or file is wrong
├── Unreachable               exit 3   a server or file cannot be reached
│   └── StorageError          exit 3   the database or broker answered with an error
│       ├── GroupLost                  the broker had forgotten a group of consumers
│       └── LeaseLost                  another replica has taken over
├── StartStopError            exit 4   something could not start or stop
├── CheckFailed               exit 5   a verdict, threshold or drift check failed
└── HandlerError              exit 1   what can go wrong around a handler
    ├── Reject                         the handler gave the event up: dead letter at once
    ├── InvalidPayload                 the payload does not fit the model: dead letter at once
    ├── HandlerTimeout                 the handler ran longer than its timeout
    ├── SessionMisuse                  the handler ended the transaction it was lent
    └── WorkerKilled                   the event ended its process each time it was started
"""

from __future__ import annotations


class WorkerkitError(Exception):
    """Root of all errors raised on purpose; `exit_code` is what the CLI exits with."""

    exit_code = 1


class ConfigurationError(WorkerkitError):
    """A setting, name or file is wrong; the message says which source it came from."""

    exit_code = 2


class Unreachable(WorkerkitError):
    """A server or file cannot be reached; nothing was changed."""

    exit_code = 3


class StorageError(Unreachable):
    """The database or broker answered with an error that is not the handler's."""


class GroupLost(StorageError):
    """The broker had forgotten the group, e.g. after a flush; it is created again."""


class LeaseLost(StorageError):
    """Another replica has taken over what this one did alone; nothing was committed."""


class StartStopError(WorkerkitError):
    """A process or port could not be started or stopped."""

    exit_code = 4


class CheckFailed(WorkerkitError):
    """A check that the user asked for did not hold."""

    exit_code = 5


class HandlerError(WorkerkitError):
    """Root of what goes wrong around a user's handler."""


class Reject(HandlerError):
    """Raised by a handler to give an event up at once: it becomes a dead letter."""


class InvalidPayload(HandlerError):
    """The envelope or payload cannot be read; the event becomes a dead letter."""


class HandlerTimeout(HandlerError):
    """The handler ran longer than the worker's `timeout`."""


class SessionMisuse(HandlerError):
    """A handler ended (or tried to end) the transaction that it shares with its batch."""


class WorkerKilled(HandlerError):
    """The event was running, alone, each time its process died."""
