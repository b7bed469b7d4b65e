"""What HTTP and gRPC serve alike: the components, and what the sidecar says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version

from ..core.clock import Clock, SystemClock
from .declared import Declared
from .publishing import Publishing
from .pubsub import PubSub
from .stores import States

PUBSUB_CAN = ("MESSAGE_TTL",)
STATE_CAN = ("CRUD", "ETAG", "TRANSACTIONAL", "TTL")


@dataclass(frozen=True)
class Shown:
    """A component as `metadata` lists it."""

    name: str
    type: str
    capabilities: tuple[str, ...]


@dataclass
class Runtime:
    """The components of the sidecar of *app_id*; `subscribed` tells what apps have declared.

    `labels` is what `SetMetadata` has set; `ready` while every port serves.
    """

    app_id: str
    pubsubs: Mapping[str, PubSub]
    states: States
    clock: Clock = field(default_factory=SystemClock)
    subscribed: Callable[[], Sequence[Declared]] = tuple
    labels: dict[str, str] = field(default_factory=dict)
    ready: bool = False

    def publishing(self) -> Publishing:
        """To be used on one event loop."""
        return Publishing(self.pubsubs, self.app_id, self.clock)

    def components(self) -> list[Shown]:
        """Every component with what it can."""
        return [
            *(Shown(each.name, each.type, PUBSUB_CAN) for each in self.pubsubs.values()),
            *(Shown(each.name, each.type, STATE_CAN) for each in self.states.stores.values()),
        ]

    @cached_property
    def version(self) -> str:
        """Ours, in the place of daprd's."""
        return version("workerkit")

    def extended(self) -> dict[str, str]:
        """The metadata that is free text."""
        return {"daprRuntimeVersion": self.version, "runtime": "workerkit", **self.labels}
