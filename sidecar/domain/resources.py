"""What a pod needs at any one time, from what its containers and the pod itself state.

Source: https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers,
https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers and
https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#pod-level-resource-specification
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sidecar.domain.pod import Container, ContainerRole, Pod, Resources

Amount = Callable[[Resources], int | None]

_CORE_MILLIS = 1000


def effective(pod: Pod) -> Resources:
    """The largest need the pod ever has: of each kind by itself; ``None`` where nobody states any.

    A container that states no cores counts one beside others that do.
    """
    names = sorted({name for container in pod.containers for name, _ in container.requests.devices})
    devices = [(name, peak(pod.containers, _of_device(name)) or 0) for name in names]
    return Resources(
        cpu_millis=_needed(pod, lambda stated: stated.cpu_millis, unstated=_CORE_MILLIS),
        memory_bytes=_needed(pod, lambda stated: stated.memory_bytes),
        ephemeral_bytes=_needed(pod, lambda stated: stated.ephemeral_bytes),
        devices=tuple(devices),
    )


def _of_device(name: str) -> Amount:
    return lambda stated: dict(stated.devices).get(name)


def _needed(pod: Pod, amount: Amount, *, unstated: int = 0) -> int | None:
    """What the pod states as a whole wins, and its overhead comes on top of whatever is stated.

    A request of the pod is no limit, so it does not take away what its containers may use.
    """
    whole = amount(pod.limits)
    if whole is None:
        request = amount(pod.requests)
        own = peak(pod.containers, amount, unstated=unstated if request is None else 0)
        whole = max((number for number in (request, own) if number is not None), default=None)
    return None if whole is None else whole + (amount(pod.overhead) or 0)


def peak(containers: Iterable[Container], amount: Amount, *, unstated: int = 0) -> int | None:
    """The largest sum over containers that run at one time; ``None`` where no container states any.

    Init containers run one after another; whatever else comes before one in the pod's order is still there beside it.
    """
    everyone = list(containers)
    if all(amount(container.requests) is None for container in everyone):
        return None
    lasting = largest = 0
    for container in everyone:
        stated = amount(container.requests)
        if container.role is ContainerRole.INIT:
            largest = max(largest, lasting + (stated or 0))
        else:
            lasting += unstated if stated is None else stated
    return max(largest, lasting)
