"""What the buttons do: a form that was sent, in, and where to go next, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..errors import ConfigurationError, InvalidPayload, WorkerkitError
from .forms import data_of
from .model import Actions, Looks
from .shell import Said
from .words import event_path


@dataclass(frozen=True, slots=True)
class Sent:
    """A form: each field's first value, all values of `id`, and the page that it came from."""

    fields: Mapping[str, str]
    ids: Sequence[str]
    came_from: str

    def __getitem__(self, name: str) -> str:
        if name not in self.fields:
            raise ConfigurationError(f"the form has no {name!r}")
        return self.fields[name]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to say, and the page on which to say it."""

    said: Said
    path: str


def do(action: str, sent: Sent, actions: Actions, looks: Looks) -> Outcome | None:
    """Do *action*; None when there is none of that name. What fails is said where it was asked."""
    deed = _DEEDS.get(action)
    if deed is None:
        return None
    try:
        return deed(sent, actions, looks)
    except WorkerkitError as error:
        return Outcome(Said(str(error), "bad"), sent.came_from)


def _publish(sent: Sent, actions: Actions, looks: Looks) -> Outcome:
    topic = sent["topic"]
    return _published(topic, data_of(looks.draft(topic), sent.fields), actions)


def _again(sent: Sent, actions: Actions, looks: Looks) -> Outcome:
    told = looks.story(sent["id"], sent["source"])
    if told is None:
        raise ConfigurationError(f"the event {sent['id']} is not known here any more")
    return _published(told.event.topic, told.event.data, actions)


def _published(topic: str, data: Any, actions: Actions) -> Outcome:
    id = actions.publish(topic, data)
    return Outcome(Said(f"Published to {topic}."), event_path(id))


def _correct(sent: Sent, actions: Actions, looks: Looks) -> Outcome:
    try:
        data = orjson.loads(sent["json"])
    except orjson.JSONDecodeError as error:
        raise InvalidPayload(f"the payload is no JSON: {error}") from None
    return Outcome(Said(actions.correct(sent["id"], data)), "/letters")


def _letters(act: Callable[[Actions, Sequence[str]], str]) -> _Deed:
    def deed(sent: Sent, actions: Actions, looks: Looks) -> Outcome:
        if not sent.ids:
            raise ConfigurationError("nothing was chosen")
        return Outcome(Said(act(actions, sent.ids)), "/letters")

    return deed


def _plain(act: Callable[[Actions, Sent], str], path: str = "") -> _Deed:
    """A deed that ends on *path*, else where it began."""

    def deed(sent: Sent, actions: Actions, looks: Looks) -> Outcome:
        return Outcome(Said(act(actions, sent)), path or sent.came_from)

    return deed


_Deed = Callable[[Sent, Actions, Looks], Outcome]

_DEEDS: dict[str, _Deed] = {
    "publish": _publish,
    "again": _again,
    "correct": _correct,
    "replay": _letters(lambda actions, ids: actions.replay(ids)),
    "drop": _letters(lambda actions, ids: actions.drop(ids)),
    "replay-all": _plain(lambda actions, sent: actions.replay_all(), "/letters"),
    "trigger": _plain(lambda actions, sent: actions.trigger(sent["job"])),
    "pause": _plain(lambda actions, sent: actions.pause(sent["job"])),
    "resume": _plain(lambda actions, sent: actions.resume(sent["job"])),
    "play": _plain(lambda actions, sent: actions.play(sent["name"]), "/trials"),
    "load": _plain(lambda actions, sent: actions.load(sent["name"]), "/trials"),
    "stop": _plain(lambda actions, sent: actions.stop(), "/trials"),
}
