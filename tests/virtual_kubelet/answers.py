"""The sidecar's answers, read as strictly as the contract has them: exact names, exact types, nothing more.

Go's decoder is more patient with names, but a wrong type makes it give up the whole answer.
Source: https://github.com/interlink-hq/interLink/blob/main/pkg/interlink/types.go and
https://github.com/kubernetes/api/blob/master/core/v1/types.go
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from tests.virtual_kubelet.admission import Json

T = TypeVar("T")
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class ContractBroken(AssertionError):
    """The sidecar's answer is not one that interLink can work with."""


class Exact(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A Go struct."""


class Created(msgspec.Struct, forbid_unknown_fields=True):
    """The answer to ``/create``."""

    PodUID: str
    PodJID: Annotated[str, msgspec.Meta(min_length=1)]


class Waiting(Exact):
    reason: str = ""
    message: str = ""


class Running(Exact):
    started_at: Moment | None


class Terminated(Exact):
    exit_code: Int32
    finished_at: Moment
    started_at: Moment | None = None
    signal: Int32 = 0
    reason: str = ""
    message: str = ""


class ContainerState(Exact):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None

    @property
    def count(self) -> int:
        """How many of the three are stated."""
        return sum(state is not None for state in (self.waiting, self.running, self.terminated))


class ContainerStatus(Exact):
    name: str
    state: ContainerState
    last_state: ContainerState
    ready: bool
    restart_count: Int32
    image: str
    image_id: str = msgspec.field(name="imageID")
    started: bool | None = None


class PodStatus(msgspec.Struct, forbid_unknown_fields=True):
    """One entry of the answer to ``/status``."""

    name: str
    UID: str
    namespace: str
    JID: str
    containers: list[ContainerStatus]
    initContainers: list[ContainerStatus] | None  # noqa: N815


class Accelerator(Exact):
    resource_type: str
    available: str


class PingResources(Exact):
    cpu: str = ""
    memory: str = ""
    pods: str = ""
    accelerators: list[Accelerator] = []


class Taint(Exact):
    key: str
    effect: str
    value: str = ""


class Ping(msgspec.Struct):
    """The answer to a ping; Go passes over names it does not know."""

    status: str
    resources: PingResources | None = None
    taints: list[Taint] | None = None


def read(body: bytes, shape: type[T]) -> T:
    """Decode an answer.

    :raises ContractBroken: a name or a type is not the contract's
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        raise ContractBroken(f"{error}: {body[:500]!r}") from error


def check_statuses(asked: Sequence[Json], body: bytes) -> list[Json]:
    """One entry per pod asked for, in the same order, each with a state for every container of the pod.

    :raises ContractBroken: one of these does not hold
    """
    entries = read(body, list[PodStatus])
    if [entry.UID for entry in entries] != [pod["metadata"]["uid"] for pod in asked]:
        raise ContractBroken(f"asked for {len(asked)} pods, got {[entry.name for entry in entries]}")
    for pod, entry in zip(asked, entries, strict=True):
        _check_entry(pod, entry)
    raw: list[Json] = msgspec.json.decode(body)
    return raw


def _check_entry(pod: Json, entry: PodStatus) -> None:
    where = f"/status of {entry.name}"
    metadata, spec = pod["metadata"], pod["spec"]
    _equal(where, (entry.name, entry.namespace), (metadata["name"], metadata["namespace"]))
    inits = entry.initContainers or []
    for statuses, containers in ((entry.containers, spec["containers"]), (inits, spec.get("initContainers", []))):
        _equal(where, [status.name for status in statuses], [container["name"] for container in containers])
    for status in (*inits, *entry.containers):
        _equal(f"{where}: number of states of container {status.name}", status.state.count, 1)
        if status.state.waiting is not None and not status.state.waiting.reason:
            raise ContractBroken(f"{where}: container {status.name} waits without a reason")
    _check_failed_init(where, spec["restartPolicy"], inits, entry.containers)


def _check_failed_init(
    where: str, policy: str, inits: Sequence[ContainerStatus], mains: Sequence[ContainerStatus]
) -> None:
    """Once an init container has failed for good, nothing may wait or run: the pod would never end."""
    failed = any(s.state.terminated is not None and s.state.terminated.exit_code != 0 for s in inits)
    retried = any(s.state.terminated is None for s in inits) and policy != "Never"
    alive = [s.name for s in (*inits, *mains) if s.state.terminated is None]
    if failed and alive and not retried:
        raise ContractBroken(f"{where}: an init container failed, but {alive} are not terminated")


def _equal(where: str, got: Any, expected: Any) -> None:
    if got != expected:
        raise ContractBroken(f"{where}: expected {expected}, got {got}")
