"""What Kubernetes can say and this sidecar cannot do: refused where it would change the result, noted where not.

The table of fields decides by a field's presence. What depends on its value or on the site is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.domain.plan import SitePolicy
from sidecar.errors import UnsupportedPod
from sidecar.wire import fields
from sidecar.wire import kubernetes as kube
from sidecar.wire.field_table import TABLE


def check_pod(raw: Mapping[str, Any], spec: kube.PodSpec, policy: SitePolicy) -> tuple[str, ...]:
    """Refuse what cannot be honoured, and tell what is ignored.

    :param raw: the pod as decoded JSON, with the fields that :mod:`sidecar.wire.kubernetes` does not have
    :return: one sentence for each field that is ignored or unknown
    :raises UnsupportedPod: with the field's name
    """
    findings = fields.judge(raw, TABLE, policy)
    for problem in (*findings.refused, *_problems(spec)):
        raise UnsupportedPod(problem)
    return tuple(findings.notes)


def _problems(spec: kube.PodSpec) -> Iterator[str]:
    for container in (*(spec.init_containers or []), *spec.containers):
        if container.env_from:
            yield (
                f"container {container.name}: envFrom has arrived unresolved; interLink resolves it before it gets here"
            )
