"""Fields of a request that the sidecar does not know: skipped, and named in the pod's history."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

UNCONCERNED = frozenset(
    {
        "$.kind", "$.apiVersion", "$.status",
        "$.metadata.resourceVersion", "$.metadata.generation", "$.metadata.creationTimestamp",
        "$.metadata.managedFields", "$.metadata.ownerReferences", "$.metadata.generateName", "$.metadata.finalizers",
        "$.metadata.selfLink", "$.metadata.deletionTimestamp", "$.metadata.deletionGracePeriodSeconds",
        "$.spec.dnsPolicy", "$.spec.dnsConfig", "$.spec.nodeSelector", "$.spec.nodeName", "$.spec.serviceAccountName",
        "$.spec.serviceAccount", "$.spec.automountServiceAccountToken", "$.spec.schedulerName", "$.spec.affinity",
        "$.spec.tolerations", "$.spec.priority", "$.spec.priorityClassName", "$.spec.enableServiceLinks",
        "$.spec.preemptionPolicy", "$.spec.topologySpreadConstraints", "$.spec.readinessGates", "$.spec.overhead",
        "$.spec.os", "$.spec.schedulingGates", "$.spec.setHostnameAsFQDN",
    }
)  # fmt: skip
"""Fields of a pod that Kubernetes itself has dealt with, or that mean nothing outside of its own nodes."""


def fields(value: object, shape: type[msgspec.Struct]) -> list[str]:
    """JSON paths of the fields in decoded JSON that ``shape`` does not have, without list positions, sorted."""
    return sorted(set(_walk(value, shape, "$")) - UNCONCERNED)


def _walk(value: Any, shape: Any, path: str) -> Iterator[str]:
    struct = _struct_in(shape)
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, shape, path)
    elif isinstance(value, dict) and struct is not None:
        known = _fields_of(struct)
        for name, inner in value.items():
            if name in known:
                yield from _walk(inner, known[name], f"{path}.{name}")
            elif inner not in (None, {}, [], ""):
                yield f"{path}.{name}"


@functools.cache
def _struct_in(shape: Any) -> type[msgspec.Struct] | None:
    """The struct that a type such as ``list[Volume] | None`` is about."""
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return shape
    if typing.get_origin(shape) in (list, typing.Union, types.UnionType):
        return next((found for arg in typing.get_args(shape) if (found := _struct_in(arg))), None)
    return None


@functools.cache
def _fields_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    hints = typing.get_type_hints(struct)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}
