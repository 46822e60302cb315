"""What a pod's containers and volumes may know about it."""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.domain.downward import POD_IP_ANNOTATION, Downward, Stated
from sidecar.wire import kubernetes as kube


def downward_of(pod: kube.Pod, identity: Mapping[str, str]) -> Downward:
    """The answers to references to this pod.

    :param identity: name, namespace and UID, checked, by their field paths
    """
    spec, annotations = pod.spec, pod.metadata.annotations or {}
    resources = {
        c.name: c.resources or kube.ResourceRequirements() for c in (*(spec.init_containers or []), *spec.containers)
    }
    return Downward(
        fields={
            **identity,
            "spec.nodeName": spec.node_name or "",
            "spec.serviceAccountName": spec.service_account_name or "default",
            "status.podIP": annotations.get(POD_IP_ANNOTATION, "").strip(),
        },
        labels=pod.metadata.labels or {},
        annotations=annotations,
        resources={name: Stated(limits=r.limits or {}, requests=r.requests or {}) for name, r in resources.items()},
    )
