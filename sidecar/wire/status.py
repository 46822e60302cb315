"""``/status``: which pods are asked for, and the answer in the form the virtual kubelet needs.

The virtual kubelet counts terminated containers to find the phase, so the lists are never empty and every container
has a state: https://github.com/interlink-hq/interLink/blob/main/pkg/virtualkubelet/execute.go
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from sidecar.domain import observe
from sidecar.domain.pod import ContainerRole
from sidecar.domain.state import ContainerState, ContainerStatus, PodState, Termination
from sidecar.wire import decode
from sidecar.wire import kubernetes as kube

Json = dict[str, Any]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One pod of a status request, as the request names it."""

    uid: str
    namespace: str
    name: str
    init_containers: tuple[str, ...]
    containers: tuple[str, ...]


def read(body: bytes) -> list[Asked]:
    """The pods a request asks for; none means that it is a ping.

    :raises MalformedRequest: the body is not a list of pods, or an identifier has not Kubernetes' form
    """
    pods = decode.decode(body or b"[]", list[kube.PodNames])
    return [_asked(pod, f"$[{position}]") for position, pod in enumerate(pods)]


def _asked(pod: kube.PodNames, path: str) -> Asked:
    spec = pod.spec or kube.SpecNames()
    return Asked(
        uid=decode.pod_uid(pod.metadata.uid, f"{path}.metadata.uid"),
        namespace=decode.label(pod.metadata.namespace or "default", f"{path}.metadata.namespace"),
        name=decode.subdomain(pod.metadata.name, f"{path}.metadata.name"),
        init_containers=_names(spec.init_containers, path),
        containers=_names(spec.containers, path),
    )


def _names(containers: Sequence[kube.ContainerName] | None, path: str) -> tuple[str, ...]:
    if not containers:
        return ()
    path = f"{path}.spec.containers[].name"
    return tuple([decode.label(c.name, path) for c in containers])


def answer(asked: Sequence[Asked], states: dict[str, PodState]) -> bytes:
    """One entry per pod asked for, in the same order."""
    entries = [
        _encoded_entry(states[pod.uid]) if pod.uid in states else _unknown(pod)
        for pod in asked
    ]  # fmt: skip
    return msgspec.json.encode(entries)


def _unknown(pod: Asked) -> Json:
    """A pod without a record waits: "terminated" would end it in Kubernetes, though its job may well run elsewhere."""
    waiting = {"waiting": {"reason": "PodUnknown", "message": "the Slurm sidecar holds no record of this pod"}}
    return {
        "name": pod.name,
        "UID": pod.uid,
        "namespace": pod.namespace,
        "JID": "",
        # An empty list would be "Succeeded"; a request that names no container gets one all the same.
        "containers": [_status(name, waiting) for name in pod.containers or (pod.name,)],
        "initContainers": [_status(name, waiting) for name in pod.init_containers],
    }


@lru_cache(maxsize=2048)
def _encoded_entry(state: PodState) -> msgspec.Raw:
    """A pod's entry as JSON, remembered until its state is another."""
    return msgspec.Raw(msgspec.json.encode(_entry(state)))


def _entry(state: PodState) -> Json:
    culprit = observe.failed_init(state)
    mains: list[Json] = []
    inits: list[Json] = []
    for container in state.containers:
        entry = _container(container, state, culprit)
        (mains if container.role is ContainerRole.MAIN else inits).append(entry)
    return {
        "name": state.name,
        "UID": state.uid,
        "namespace": state.namespace,
        "JID": state.job_id,
        "containers": mains,
        "initContainers": inits,
    }


def _container(container: ContainerState, pod: PodState, culprit: ContainerState | None) -> Json:
    is_done = container.status is ContainerStatus.TERMINATED and container.role is ContainerRole.INIT
    match container.status:
        case _ if container.role is ContainerRole.SIDECAR and container.ever_started:
            # The virtual kubelet holds back the main containers while any init container waits or runs.
            state = {"terminated": _terminated(_sidecar_started(container, pod))}
        case ContainerStatus.RUNNING:
            state = {"running": {"startedAt": _time(container.started_at)}}
        case ContainerStatus.TERMINATED if container.termination is not None:
            state = {"terminated": _terminated(container.termination)}
        case _ if culprit is not None and container.attempt == 0:
            # A main container that still waits after a failed init container crashes the virtual kubelet.
            state = {"terminated": _terminated(_not_started(culprit, pod))}
        case _:
            state = {"waiting": _without_empty({"reason": container.reason, "message": container.message})}
    return _status(
        container.name,
        state,
        lastState={"terminated": _terminated(container.previous)} if container.previous else {},
        ready=container.ready
        or (is_done and container.termination is not None and not container.termination.exit_code),
        started=container.started,
        restartCount=container.attempt,
        image=container.image,
    )


def _sidecar_started(container: ContainerState, pod: PodState) -> Termination:
    started = container.started_at or pod.started_at or pod.changed_at
    return Termination(exit_code=0, reason="Completed", message="Started", started_at=started, finished_at=started)


def _not_started(culprit: ContainerState, pod: PodState) -> Termination:
    return Termination(
        exit_code=128, reason="NotStarted", message=observe.why_not_started(culprit), finished_at=pod.changed_at
    )


def _terminated(end: Termination) -> Json:
    times = {"startedAt": _time(end.started_at or end.finished_at), "finishedAt": _time(end.finished_at)}
    signal = {"signal": end.exit_code - 128} if 128 < end.exit_code <= 192 else {}
    return {"exitCode": end.exit_code, **signal, "reason": end.reason, **times} | _without_empty(
        {"message": end.message}
    )


def _status(name: str, state: Json, **more: Any) -> Json:
    unset: Json = {"lastState": {}, "ready": False, "restartCount": 0, "image": "", "imageID": ""}
    return {"name": name, "state": state} | unset | more


def _without_empty(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value}


def _time(value: datetime | None) -> str | None:
    """Kubernetes' metav1.Time: RFC 3339 in seconds."""
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ")
