"""A container's variables as plain values, the way interLink's virtual kubelet sends them.

Source: https://github.com/virtual-kubelet/virtual-kubelet/blob/master/internal/podutils/env.go
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.cli import shapes
from sidecar.cli.objects import CONFIG_MAP, SECRET, Objects
from sidecar.domain.downward import Downward
from sidecar.domain.expand import expand
from sidecar.errors import MalformedRequest, UnsupportedPod


def resolved(container: shapes.Container, objects: Objects, downward: Downward) -> list[dict[str, Any]]:
    """``envFrom`` first, then ``env``, which wins where both have a name; references replaced by what they mean.

    References to what only the compute node knows are left to the daemon.

    :raises UnsupportedPod: a reference leads nowhere
    """
    values: dict[str, str] = {}
    for source in container.env_from or []:
        values |= _from_source(source, objects, f"container {container.name}: envFrom")
    left = {}
    for var in container.env or []:
        if path := _node_field(var):
            left[var.name] = {"fieldRef": {"fieldPath": path}}
            values.pop(var.name, None)
            continue
        value = _value(var, container.name, objects, downward, values)
        if value is not None:
            values.pop(var.name, None)  # moves it behind those it may refer to
            values[var.name] = value
            left.pop(var.name, None)
    of_node = [{"name": name, "valueFrom": source} for name, source in left.items()]
    return [*({"name": name, "value": value} for name, value in values.items()), *of_node]


def _node_field(var: shapes.EnvVar) -> str:
    """The field of the pod's node that a variable refers to, or ``""``."""
    reference = var.value_from.field_ref if var.value_from else None
    path = reference.field_path if reference else ""
    return path if path == "spec.nodeName" or path.startswith("status.") else ""


def _from_source(source: shapes.EnvFrom, objects: Objects, where: str) -> dict[str, str]:
    kind, reference = (CONFIG_MAP, source.config_map_ref) if source.config_map_ref else (SECRET, source.secret_ref)
    if reference is None:
        raise MalformedRequest(f"{where}: needs configMapRef or secretRef")
    stored = objects.get(kind, reference.name, where, optional=reference.optional)
    content = stored.content if stored else {}
    return {source.prefix + key: _literal(value, f"{where}: {key}") for key, value in content.items()}


def _value(
    var: shapes.EnvVar, container: str, objects: Objects, downward: Downward, before: Mapping[str, str]
) -> str | None:
    """``None``: an optional reference that leads nowhere, so the variable is not set."""
    where = f"container {container}: env {var.name}"
    if var.value_from is None:
        return expand(var.value or "", before)
    if var.value:
        raise MalformedRequest(f"{where}: has both value and valueFrom; keep one of them")
    return next(_answers(var.value_from, container, where, objects, downward))


def _answers(
    source: shapes.ValueFrom, container: str, where: str, objects: Objects, downward: Downward
) -> Iterator[str | None]:
    for kind, reference in ((CONFIG_MAP, source.config_map_key_ref), (SECRET, source.secret_key_ref)):
        if reference:
            value = objects.value(kind, reference, where)
            yield None if value is None else _literal(value, where)
    if source.field_ref:
        yield downward.field(source.field_ref.field_path, where)
    if source.resource_field_ref:
        ref = source.resource_field_ref
        yield downward.resource(ref.resource, ref.container_name or container, str(ref.divisor), where)
    raise UnsupportedPod(f"{where}: valueFrom needs configMapKeyRef, secretKeyRef, fieldRef or resourceFieldRef")


def _literal(value: bytes, where: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise UnsupportedPod(f"{where}: the value is not UTF-8 text; mount it as a file instead") from None
