"""Rules for rendered manifests, each a function that yields what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate

from tests.deploy.kustomize import Document, containers
from tests.deploy.project import DRAIN, LABEL, Expected, Process

RELEASE = "1.31"
"""The Kubernetes release whose schemas must hold."""


def _object(required: Mapping[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": {**required, **optional}, "required": list(required),
        "additionalProperties": False,
    }  # fmt: skip


TEXT, WHOLE, TEXTS = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "object",
    "additionalProperties": {"type": "string"}}  # fmt: skip
NAMED = _object({"name": TEXT})
REFERENCE = _object({"name": TEXT, "key": TEXT})

CUSTOM = {
    "ScaledObject": _object(
        {
            "scaleTargetRef": NAMED,
            "triggers": {
                "type": "array", "minItems": 1,
                "items": _object({"type": TEXT, "metadata": TEXTS}, authenticationRef=NAMED),
            },
        },
        minReplicaCount=WHOLE, maxReplicaCount=WHOLE, pollingInterval=WHOLE, cooldownPeriod=WHOLE,
    ),
    "TriggerAuthentication": _object(
        {
            "secretTargetRef": {
                "type": "array",
                "items": _object({"parameter": TEXT, "name": TEXT, "key": TEXT}),
            }
        }
    ),
    "Component": _object(
        {
            "type": TEXT, "version": TEXT,
            "metadata": {
                "type": "array",
                "items": {"oneOf": [_object({"name": TEXT, "value": TEXT}),
                                    _object({"name": TEXT, "secretKeyRef": REFERENCE})]},
            },
        }
    ),
    "Resiliency": _object(
        {
            "policies": _object({"retries": {"type": "object"}, "timeouts": TEXTS}),
            "targets": _object({"components": {"type": "object"}}),
        }
    ),
}  # fmt: skip
"""Of what KEDA and Dapr define, the parts that are used here, by kind: the schema of `spec`."""


def problems(documents: Sequence[Document], expected: Expected) -> list[str]:
    """All that is wrong, each with the document's name."""
    return [
        f"{document['kind']} {document['metadata']['name']}: {problem}"
        for document in documents
        for rule in (_named, *RULES.get(document["kind"], ()))
        for problem in rule(document, World(documents, expected))
    ] + [
        f"Deployment {name}: missing"
        for name in expected.processes
        if name not in {d["metadata"]["name"] for d in documents if d["kind"] == "Deployment"}
    ]


class World:
    """The other documents, and what the project says."""

    def __init__(self, documents: Sequence[Document], expected: Expected) -> None:
        self.documents = documents
        self.expected = expected

    def named(self, kind: str, name: str) -> Document | None:
        for each in self.documents:
            if (each["kind"], each["metadata"]["name"]) == (kind, name):
                return each
        return None

    def selected(self, labels: Document) -> list[Document]:
        """Deployments whose pods have all these *labels*."""
        return [
            each for each in self.documents
            if each["kind"] == "Deployment"
            and labels.items() <= each["spec"]["template"]["metadata"]["labels"].items()
        ]  # fmt: skip


def _named(document: Document, world: World) -> Iterator[str]:
    """Names are as hosts are called."""
    metadata = document["metadata"]
    for name in (metadata["name"], metadata["namespace"]):
        if not LABEL.fullmatch(name):
            yield f"{name} is no name in Kubernetes"


def _schema(document: Document, world: World) -> Iterator[str]:
    if document["kind"] in CUSTOM:
        validator = jsonschema.Draft202012Validator(CUSTOM[document["kind"]])
        yield from (error.message for error in validator.iter_errors(document["spec"]))
        return
    yield from _standard(json.dumps(document))


@cache
def _standard(text: str) -> tuple[str, ...]:
    """What Kubernetes' own schema says of the document *text*; reading one takes 25 ms."""
    try:
        kubernetes_validate.validate(json.loads(text), RELEASE, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return (str(getattr(error, "message", error)),)
    return ()


def _process(document: Document, world: World) -> Iterator[str]:
    """Name, image, port and variables are those of the project's process."""
    process = world.expected.processes.get(document["metadata"]["name"])
    if process is None:
        yield "workerkit.toml has no such process"
        return
    for container in containers([document]):
        if process.image not in container["image"]:
            yield f"image {container['image']}, must be {process.image}"
        yield from _variables(container["env"], process, world.expected)
    (main,) = document["spec"]["template"]["spec"]["containers"]
    ports = [(port["name"], port["containerPort"]) for port in main["ports"]]
    if ports != [("http", process.port)]:
        yield f"ports {ports}, workerkit.toml says {process.port}"
    told = {each["name"]: each.get("value") for each in main["env"]}
    allowed = {process.mode, "inline"} if process.mode == "api" else {process.mode}
    if told.get("WORKER_MODE") not in allowed:
        yield f"WORKER_MODE is {told.get('WORKER_MODE')}, must be {process.mode}"
    app_id = document["spec"]["template"]["metadata"].get("annotations", {}).get("dapr.io/app-id")
    if app_id not in {None, process.label}:
        yield f"dapr.io/app-id is {app_id}: the group of {process.service} would be another"


def _variables(env: list[Document], process: Process, expected: Expected) -> Iterator[str]:
    for each in env:
        if each["name"] not in expected.variables(process.service):
            yield f"{process.service} does not read {each['name']}"
        if each["name"].endswith("_URL") and "@" in each.get("value", ""):
            yield f"{each['name']} has a password: refer to a secret"


def _pod(document: Document, world: World) -> Iterator[str]:
    """Labels, probes, time to drain, limits and privileges."""
    template = document["spec"]["template"]
    labels = document["spec"]["selector"]["matchLabels"]
    if not labels.items() <= template["metadata"]["labels"].items():
        yield f"its selector {labels} does not match its pods"
    pod = template["spec"]
    (main,) = pod["containers"]
    for probe, path in {
        "startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz",
    }.items():  # fmt: skip
        asked = main.get(probe, {}).get("httpGet")
        if asked != {"path": path, "port": "http"}:
            yield f"{probe} asks {asked}, must ask {path}"
    told = {each["name"]: each.get("value") for each in main["env"]}
    drain = float(told.get("WORKER_DRAIN_TIMEOUT") or DRAIN)
    stop = main.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", 0])
    if pod.get("terminationGracePeriodSeconds", 30) <= drain + float(stop[1]):
        yield f"is killed before it has drained for {drain:g} s"
    if not pod.get("securityContext", {}).get("runAsNonRoot"):
        yield "may run as root"
    for container in containers([document]):
        name = container["name"]
        if {"cpu", "memory"} - container.get("resources", {}).get("limits", {}).keys():
            yield f"container {name} has no limits"
        if not container.get("securityContext", {}).get("readOnlyRootFilesystem"):
            yield f"container {name} may write its image"


def _replicas(document: Document, world: World) -> Iterator[str]:
    """Two at least, unless all are gone on purpose; none where KEDA decides."""
    name, spec = document["metadata"]["name"], document["spec"]
    scaled = world.named("ScaledObject", name)
    if scaled and "replicas" in spec and not _paused(scaled):
        yield "each apply would undo what its ScaledObject decided"
    if not scaled and spec.get("replicas", 1) == 1:
        yield "one replica: nothing runs while its node is drained"
    if world.named("PodDisruptionBudget", name) is None:
        yield "no PodDisruptionBudget"


def _service(document: Document, world: World) -> Iterator[str]:
    pods = world.selected(document["spec"]["selector"])
    names = [pod["metadata"]["name"] for pod in pods]
    if names != [document["metadata"]["name"]]:
        yield f"selects {names}"
    process = world.expected.processes.get(document["metadata"]["name"])
    ports = [port["port"] for port in document["spec"]["ports"]]
    if process is not None and ports != [process.port]:
        yield f"port {ports}, workerkit.toml says {process.port}"


def _budget(document: Document, world: World) -> Iterator[str]:
    if len(world.selected(document["spec"]["selector"]["matchLabels"])) != 1:
        yield "protects no Deployment, or several"


def _scaled(document: Document, world: World) -> Iterator[str]:
    spec = document["spec"]
    process = world.expected.processes.get(spec["scaleTargetRef"]["name"])
    if process is None or process.mode != "events":
        yield "scales no event worker"
        return
    for trigger in spec["triggers"]:
        told = trigger["metadata"]
        if told.get("stream") not in world.expected.topics(process.service):
            yield f"no worker of {process.service} is on {told.get('stream')}"
        if told.get("consumerGroup") != process.service:
            yield f"the group of {process.service} is {process.service}"
        if "lagCount" not in told:
            yield "must scale on the lag"
        name = trigger.get("authenticationRef", {}).get("name", "")
        if world.named("TriggerAuthentication", name) is None:
            yield f"no TriggerAuthentication {name!r}"


def _paused(document: Document) -> bool:
    annotations = document["metadata"].get("annotations", {})
    return "autoscaling.keda.sh/paused-replicas" in annotations


RULES = {
    "Deployment": (_schema, _process, _pod, _replicas),
    "Service": (_schema, _service),
    "PodDisruptionBudget": (_schema, _budget),
    "ScaledObject": (_schema, _scaled),
    "TriggerAuthentication": (_schema,),
    "Component": (_schema,),
    "Resiliency": (_schema,),
}
