"""What a container may know about its own pod: ``fieldRef`` and ``resourceFieldRef``.

Source: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sidecar.domain import quantity
from sidecar.errors import MalformedRequest, UnsupportedPod

POD_IP_ANNOTATION = "interlink.eu/pod-ip"
_ENTRY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")

Amounts = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """The resources that one container states; a request that is missing is its limit."""

    limits: Amounts = field(default_factory=dict)
    requests: Amounts = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Downward:
    """Answers references to one pod."""

    fields: Mapping[str, str]
    """Values by ``fieldPath``; what is empty is not known here."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Stated] = field(default_factory=dict)
    """By container."""

    def field(self, path: str, where: str) -> str:
        """The value of a field of the pod.

        :raises UnsupportedPod: the field is not known here
        """
        if match := _ENTRY.fullmatch(path):
            return self._maps()[match[1]].get(match[2], "")
        if value := self.fields.get(path):
            return value
        raise UnsupportedPod(f"{where}: fieldRef {path} has no value outside Kubernetes; give it as a plain value")

    def file(self, path: str, where: str) -> str:
        """The same for a file, which may also hold all labels or all annotations.

        :raises UnsupportedPod: the field is not known here
        """
        values = self._maps().get(path.removeprefix("metadata."))
        if values is None:
            value = self.field(path, where)
            if "\0" in value:
                raise UnsupportedPod(f"{where}: fieldRef {path} is known to the compute node alone; use it in env")
            return value
        return "\n".join(f"{key}={json.dumps(values[key], ensure_ascii=False)}" for key in sorted(values))

    def resource(self, resource: str, container: str, divisor: str, where: str) -> str:
        """A limit or request of a container as a whole number of its divisor, rounded up.

        :param resource: such as ``limits.cpu``
        :param divisor: a quantity; empty or 0 stands for 1
        :raises UnsupportedPod: the container does not state it
        """
        stated = self.resources.get(container)
        if stated is None:
            raise UnsupportedPod(f"{where}: resourceFieldRef: the pod has no container {container!r}")
        side, _, name = resource.partition(".")
        amounts = {"limits": stated.limits, "requests": {**stated.limits, **stated.requests}}.get(side, {})
        if name not in amounts:
            raise UnsupportedPod(f"{where}: resourceFieldRef: container {container!r} states no {resource}")
        try:
            unit = quantity.parse(divisor or "1") or Decimal(1)
            return str(quantity.ceil(quantity.parse(str(amounts[name])) / unit))
        except ValueError as error:
            raise MalformedRequest(f"{where}: resourceFieldRef: {error}") from error

    def _maps(self) -> Mapping[str, Mapping[str, str]]:
        return {"labels": self.labels, "annotations": self.annotations}
