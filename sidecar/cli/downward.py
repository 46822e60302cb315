"""What a container may know about its own pod: ``fieldRef`` and ``resourceFieldRef``.

Source: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sidecar.cli import shapes
from sidecar.domain import quantity
from sidecar.errors import MalformedRequest, UnsupportedPod

_ENTRY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_POD_IP = "interlink.eu/pod-ip"


@dataclass(frozen=True, slots=True)
class Downward:
    """Answers references to one pod."""

    metadata: shapes.Metadata
    spec: shapes.PodSpec

    def field(self, path: str, where: str) -> str:
        """The value of a field of the pod.

        :raises UnsupportedPod: the field is not known here
        """
        if match := _ENTRY.fullmatch(path):
            return self._maps()[match[1]].get(match[2], "")
        value = self._fields().get(path)
        if not value:
            raise UnsupportedPod(f"{where}: fieldRef {path} has no value outside Kubernetes; give it as a plain value")
        return value

    def file(self, path: str, where: str) -> str:
        """The same for a file, which may also hold all labels or all annotations."""
        kind = path.removeprefix("metadata.")
        if kind in self._maps():
            return "\n".join(f"{key}={json.dumps(value)}" for key, value in sorted(self._maps()[kind].items()))
        return self.field(path, where)

    def resource(self, reference: shapes.ResourceFieldRef, own: str, where: str) -> str:
        """A limit or request of a container as a whole number of its divisor, rounded up.

        :param own: the container that asks
        :raises UnsupportedPod: the container does not state it
        """
        name = reference.container_name or own
        side, _, resource = reference.resource.partition(".")
        amount = self._stated(name, where).get(side, {}).get(resource)
        if amount is None:
            raise UnsupportedPod(f"{where}: resourceFieldRef: container {name!r} states no {reference.resource}")
        try:
            divisor = quantity.parse(str(reference.divisor or 1)) or quantity.parse("1")
            return str(quantity.ceil(quantity.parse(str(amount)) / divisor))
        except ValueError as error:
            raise MalformedRequest(f"{where}: resourceFieldRef: {error}") from error

    def _stated(self, name: str, where: str) -> Mapping[str, Mapping[str, str | int | float]]:
        everyone: Sequence[shapes.Container] = [*(self.spec.init_containers or []), *self.spec.containers]
        resources = next((c.resources or shapes.Resources() for c in everyone if c.name == name), None)
        if resources is None:
            raise UnsupportedPod(f"{where}: resourceFieldRef: the pod has no container {name!r}")
        limits = resources.limits or {}
        return {"limits": limits, "requests": {**limits, **(resources.requests or {})}}

    def _maps(self) -> Mapping[str, Mapping[str, str]]:
        return {"labels": self.metadata.labels or {}, "annotations": self.metadata.annotations or {}}

    def _fields(self) -> Mapping[str, str]:
        return {
            "metadata.name": self.metadata.name,
            "metadata.namespace": self.metadata.namespace,
            "metadata.uid": self.metadata.uid,
            "spec.nodeName": self.spec.node_name,
            "spec.serviceAccountName": self.spec.service_account_name or "default",
            "status.podIP": (self.metadata.annotations or {}).get(_POD_IP, ""),
        }
