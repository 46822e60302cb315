"""``resources`` and ``overhead`` of a request as amounts.

Source: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from sidecar.domain import quantity
from sidecar.domain.pod import Resources
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import kubernetes as kube

Amounts = Mapping[str, str | int | float]

_PLAIN = ("cpu", "memory", "ephemeral-storage")
_DEVICE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
"""A domain, a slash and a name, as every resource has that is not Kubernetes' own."""


def of_container(container: kube.Container) -> Resources:
    """The limit where there is one, else the request: Slurm's allocation is a hard limit, so anything below a
    container's own limit would stop programs that Kubernetes lets run."""
    stated = container.resources or kube.ResourceRequirements()
    amounts = {**(stated.requests or {}), **(stated.limits or {})}
    return read(amounts, f"container {container.name}: resources")


def of_pod(amounts: Amounts | None, where: str) -> Resources:
    """What is said about the pod as a whole: cores, memory and the like.

    :raises UnsupportedPod: devices are asked for, which Kubernetes gives to containers only
    """
    stated = read(amounts, where)
    for name, _ in stated.devices:
        raise UnsupportedPod(f"{where}: {name} belongs to a container's resources")
    return stated


def read(amounts: Amounts | None, where: str) -> Resources:
    """The amounts by kind; no memory counts as not stated, as it sets no limit in Kubernetes either.

    :raises MalformedRequest: an amount is no quantity
    :raises UnsupportedPod: Slurm has nothing for that kind, or a device is to be divided
    """
    numbers = {name: _number(str(value), f"{where}.{name}") for name, value in (amounts or {}).items()}
    for name, number in numbers.items():
        _check_kind(name, number, where)
    return Resources(
        cpu_millis=quantity.ceil(numbers["cpu"] * 1000) if "cpu" in numbers else None,
        memory_bytes=_bytes(numbers.get("memory")),
        ephemeral_bytes=_bytes(numbers.get("ephemeral-storage")),
        devices=tuple(sorted((name, int(n)) for name, n in numbers.items() if name not in _PLAIN and n)),
    )


def _number(text: str, where: str) -> Decimal:
    try:
        return quantity.parse(text)
    except ValueError as error:
        raise MalformedRequest(f"{where}: {error}") from error


def _check_kind(name: str, number: Decimal, where: str) -> None:
    if name in _PLAIN or (not number and not _DEVICE.fullmatch(name)):
        return
    if name.startswith("hugepages-"):
        raise UnsupportedPod(f"{where}: {name} is not available: Slurm hands out no huge pages; leave it out")
    if not _DEVICE.fullmatch(name):
        raise UnsupportedPod(f"{where}: {name} is not a resource of Kubernetes, nor one with a domain such as a.com/b")
    if number != int(number):
        raise UnsupportedPod(f"{where}: {name}: {number} cannot be had, for it is not divided; ask for a whole number")


def _bytes(number: Decimal | None) -> int | None:
    return quantity.ceil(number) if number else None
