"""What `kubectl kustomize` makes of a folder, as far as the projects' folders use it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KEYS = {"volumeMounts": "mountPath", "ports": "containerPort"}
"""By which key a patch finds a list's member; `name` for all other lists."""


class Unresolved(Exception):
    """A kustomization names what is not there."""


def render(folder: Path, given: Sequence[Document] = ()) -> list[Document]:
    """The documents of *folder*; *given* are those that a component changes.

    Raises:
        Unresolved: A file, a patch's target, an image or a Deployment is not there.
    """
    wanted = _read(folder / "kustomization.yaml")[0]
    documents = list(given)
    for name in wanted.pop("resources", ()):
        path = folder / name
        documents += render(path) if path.is_dir() else _read(path)
    for name in wanted.pop("components", ()):
        documents = render(folder / name, documents)
    for patch in wanted.pop("patches", ()):
        _patch(documents, _read(folder / patch["path"])[0], patch["target"])
    for image in wanted.pop("images", ()):
        _rename(documents, image)
    for replicas in wanted.pop("replicas", ()):
        target = {"kind": "Deployment", "name": re.escape(replicas["name"])}
        _patch(documents, {"spec": {"replicas": replicas["count"]}}, target)
    namespace = wanted.pop("namespace", None)
    for document in documents if namespace else ():
        document["metadata"]["namespace"] = namespace
    unknown = wanted.keys() - {"apiVersion", "kind"}
    assert not unknown, f"{folder}: {unknown} is not understood here"
    return documents


def containers(documents: Iterable[Document]) -> list[Document]:
    """Every container, the initial ones too."""
    pods = [d["spec"]["template"]["spec"] for d in documents if d["kind"] == "Deployment"]
    return [each for pod in pods for each in (*pod["containers"], *pod.get("initContainers", ()))]


def _read(path: Path) -> list[Document]:
    try:
        return list(yaml.load_all(path.read_text(), LOADER))
    except OSError as error:
        raise Unresolved(f"{path.parent.name}/{path.name}: {error.strerror}") from None


def _patch(documents: list[Document], patch: Document, target: Document) -> None:
    chosen = [document for document in documents if _is_target(document, target)]
    if not chosen:
        raise Unresolved(f"a patch's target is not there: {target}")
    changes = {name: value for name, value in patch.items() if name != "metadata"}
    metadata = {n: v for n, v in patch.get("metadata", {}).items() if n != "name"}
    for document in chosen:
        _merge(document, deepcopy({**changes, "metadata": metadata}))


def _is_target(document: Document, target: Document) -> bool:
    name, _, value = target.get("labelSelector", "").partition("=")
    labels = document["metadata"].get("labels", {})
    return (
        re.fullmatch(target.get("kind", ".*"), document["kind"]) is not None
        and re.fullmatch(target.get("name", ".*"), document["metadata"]["name"]) is not None
        and (not name or labels.get(name) == value)
    )


def _merge(into: Document, patch: Document) -> None:
    for name, value in patch.items():
        there = into.get(name)
        if isinstance(value, dict) and isinstance(there, dict):
            _merge(there, value)
        elif isinstance(there, list) and there and isinstance(there[0], dict):
            _merge_list(there, value, KEYS.get(name, "name"))
        else:
            into[name] = value


def _merge_list(into: list[Document], patch: list[Document], key: str) -> None:
    there = {member[key]: member for member in into}
    for member in patch:
        if member[key] in there:
            _merge(there[member[key]], member)
        else:
            into.append(member)


def _rename(documents: list[Document], image: Document) -> None:
    chosen = [each for each in containers(documents) if each["image"] == image["name"]]
    if not chosen:
        raise Unresolved(f"no container has the image {image['name']}")
    for container in chosen:
        container["image"] = f"{image['newName']}:{image['newTag']}"
