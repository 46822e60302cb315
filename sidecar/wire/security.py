"""The user and the group that a pod asks for: one of each, as a pod is one job.

A container's own securityContext comes before the pod's; a container that names nobody goes with the others.

Source: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from sidecar.errors import UnsupportedPod
from sidecar.wire import kubernetes as kube

_MOST = 2**31 - 1
"""Kubernetes' own limit: k8s.io/apimachinery, pkg/util/validation, ``IsValidUserID``."""


def user_and_group(spec: kube.PodSpec) -> tuple[int | None, int | None]:
    """What ``runAsUser`` and ``runAsGroup`` say, each ``None`` where nothing does.

    :raises UnsupportedPod: containers differ, or it is root, or no id at all
    """
    contexts: dict[str, kube.SecurityContext | None] = {"spec.securityContext": spec.security_context}
    for container in (*(spec.init_containers or []), *spec.containers):
        contexts[f"container {container.name}: securityContext"] = container.security_context
    users = {where: context.run_as_user for where, context in contexts.items() if context}
    groups = {where: context.run_as_group for where, context in contexts.items() if context}
    for where, number in users.items():
        if number == 0:
            raise UnsupportedPod(f"{where}.runAsUser: 0 (root) is never allowed")
    containers = len(contexts) - 1
    return _the_one("runAsUser", users, containers), _the_one("runAsGroup", groups, containers)


def _the_one(field: str, said: Mapping[str, int | None], containers: int) -> int | None:
    stated = {where: number for where, number in said.items() if number is not None}
    for where, number in stated.items():
        if not 0 <= number <= _MOST:
            raise UnsupportedPod(f"{where}.{field}: {number} is not a number from 0 to {_MOST}")
    own = {where: number for where, number in stated.items() if where != "spec.securityContext"}
    if len(own) == containers or "spec.securityContext" not in stated:
        stated = own  # the pod's has nobody left to apply to
    for (where, number), (other, another) in pairwise(stated.items()):
        if number != another:
            raise UnsupportedPod(
                f"{other}.{field} is {another}, but {where}.{field} is {number}: a pod is one job of one user; "
                "give all containers the same"
            )
    return next(iter(stated.values()), None)
