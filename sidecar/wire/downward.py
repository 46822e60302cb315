"""What a pod's containers and volumes may know about it."""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.domain.downward import POD_IP_ANNOTATION, Downward, Stated
from sidecar.runner.contract.pod_document import node_fact
from sidecar.wire import kubernetes as kube

_BY_NODE = {
    "spec.nodeName": node_fact("nodeName"),
    "status.podIP": node_fact("podIP"),
    "status.podIPs": node_fact("podIP"),
    "status.hostIP": node_fact("hostIP"),
    "status.hostIPs": node_fact("hostIP"),
}
"""Of the compute node, not of the virtual one: marks in whose place the job puts what its node knows."""


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
            "spec.serviceAccountName": spec.service_account_name or "default",
            **_of_node(annotations.get(POD_IP_ANNOTATION, "").strip()),
        },
        labels=pod.metadata.labels or {},
        annotations=annotations,
        resources={name: Stated(limits=r.limits or {}, requests=r.requests or {}) for name, r in resources.items()},
    )


def is_of_node(value: str) -> bool:
    """Whether a value stands for something that only the node knows."""
    return value in _BY_NODE.values()


def _of_node(pod_ip: str) -> Mapping[str, str]:
    """
    :param pod_ip: interLink's for this pod, if it has given it one
    """
    return {**_BY_NODE, **({"status.podIP": pod_ip, "status.podIPs": pod_ip} if pod_ip else {})}
