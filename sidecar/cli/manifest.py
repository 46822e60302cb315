"""From a kubectl manifest to the body of ``/create``: what Kubernetes and interLink's virtual kubelet do in between."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sidecar.cli import contents, environment, shapes
from sidecar.cli.documents import Document
from sidecar.cli.objects import CONFIG_MAP, SECRET, Objects
from sidecar.domain.downward import POD_IP_ANNOTATION, Downward, Stated
from sidecar.errors import MalformedRequest, UnsupportedPod

_TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
}
"""Where a controller keeps the pod it makes."""
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Those of generated names: https://github.com/kubernetes/apimachinery/blob/master/pkg/util/rand/rand.go"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A manifest's one pod, ready to be sent."""

    request: dict[str, Any] = field(repr=False)
    namespace: str
    name: str
    uid: str
    notes: tuple[str, ...]
    """What was read in an unusual way, one sentence each."""


def create_request(documents: Sequence[Document], namespace: str) -> dict[str, Any]:
    """The body of ``/create`` for the one pod in a manifest.

    :param documents: a Pod (or a controller with a pod template) and the ConfigMaps and Secrets it refers to
    :param namespace: of documents that state none
    :raises MalformedRequest: the manifest is not what Kubernetes would take
    :raises UnsupportedPod: the pod refers to something that is not in the manifest
    """
    return translate(documents, namespace).request


def translate(documents: Sequence[Document], namespace: str) -> Translation:
    """As :func:`create_request`, with the names and the notes for people."""
    document = _workload(documents)
    pod, notes = _pod(document, namespace)
    metadata = shapes.read(pod["metadata"], shapes.Metadata, "metadata")
    spec = shapes.read(pod["spec"], shapes.PodSpec, "spec")
    objects = Objects(documents, namespace=metadata.namespace, default_namespace=namespace)
    downward = _downward(metadata, spec)
    volumes = {volume.name: volume for volume in spec.volumes or []}
    everyone = [*(spec.init_containers or []), *spec.containers]
    request = {
        "pod": pod | {"spec": _resolved_spec(pod["spec"], spec, objects, downward)},
        "container": [contents.retrieved(c, volumes, objects) for c in everyone],
    }
    return Translation(
        request=request, namespace=metadata.namespace, name=metadata.name, uid=metadata.uid, notes=tuple(notes)
    )


def _downward(metadata: shapes.Metadata, spec: shapes.PodSpec) -> Downward:
    annotations = metadata.annotations or {}
    everyone = [*(spec.init_containers or []), *spec.containers]
    stated = {c.name: c.resources or shapes.Resources() for c in everyone}
    return Downward(
        fields={
            "metadata.name": metadata.name,
            "metadata.namespace": metadata.namespace,
            "metadata.uid": metadata.uid,
            "spec.nodeName": spec.node_name,
            "spec.serviceAccountName": spec.service_account_name or "default",
            "status.podIP": annotations.get(POD_IP_ANNOTATION, ""),
        },
        labels=metadata.labels or {},
        annotations=annotations,
        resources={name: Stated(limits=r.limits or {}, requests=r.requests or {}) for name, r in stated.items()},
    )


def _workload(documents: Sequence[Document]) -> Document:
    workloads = [d for d in documents if d["kind"] == "Pod" or d["kind"] in _TEMPLATES]
    if len(workloads) != 1:
        number = len(workloads) or "no"
        raise MalformedRequest(f"the manifest has {number} pods; give one with exactly one Pod, Job or Deployment")
    strange = [d["kind"] for d in documents if d["kind"] not in ("Pod", CONFIG_MAP, SECRET, *_TEMPLATES)]
    if strange:
        raise UnsupportedPod(f"the manifest has a {strange[0]}, which means nothing without Kubernetes; remove it")
    return workloads[0]


def _pod(document: Document, namespace: str) -> tuple[Document, list[str]]:
    """The pod with what the API server adds: a name, a namespace, a UID and a time."""
    kind = document["kind"]
    outer = shapes.read(document.get("metadata") or {}, shapes.Metadata, f"{kind}: metadata")
    pod = _at(document, _TEMPLATES.get(kind, ()))
    given = pod.get("metadata") or {}
    own = shapes.read(given, shapes.Metadata, f"{kind}: metadata")
    is_template = kind in _TEMPLATES
    name = _generated(outer.name or outer.generate_name) if is_template else _pod_name(own)
    completed = {
        **given,
        "name": name,
        "namespace": outer.namespace or own.namespace or namespace,
        "uid": str(uuid.uuid4()) if is_template else own.uid or str(uuid.uuid4()),
        "creationTimestamp": given.get("creationTimestamp") or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    if not isinstance(pod.get("spec"), dict):
        raise MalformedRequest(f"{kind}: the pod has no spec")
    notes = [f"{kind} {outer.name}: its pod template is submitted once, as pod {name}"] if is_template else []
    return {"metadata": completed, "spec": pod["spec"]}, notes


def _at(document: Document, path: Sequence[str]) -> Document:
    """A controller's pod template, or the pod itself."""
    value: Any = document
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        raise MalformedRequest(f"{document['kind']}: {'.'.join(path)} is missing")
    return value


def _pod_name(metadata: shapes.Metadata) -> str:
    if not metadata.name and not metadata.generate_name:
        raise MalformedRequest("Pod: metadata.name is missing")
    return metadata.name or _generated(metadata.generate_name)


def _generated(base: str) -> str:
    suffix = "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
    return f"{base.rstrip('-') or 'pod'}-{suffix}"


def _resolved_spec(
    raw: Mapping[str, Any], spec: shapes.PodSpec, objects: Objects, downward: Downward
) -> dict[str, Any]:
    resolved = dict(raw)
    for key, containers in (("initContainers", spec.init_containers), ("containers", spec.containers)):
        if containers:
            resolved[key] = [
                _resolved_container(given, container, objects, downward)
                for given, container in zip(raw[key], containers, strict=True)
            ]
    return resolved


def _resolved_container(
    raw: Mapping[str, Any], container: shapes.Container, objects: Objects, downward: Downward
) -> dict[str, Any]:
    plain = {key: value for key, value in raw.items() if key not in ("env", "envFrom")}
    env = environment.resolved(container, objects, downward)
    return plain | ({"env": env} if env else {})
