"""Histories, evidence and requests for tests, with defaults for everything a test does not speak of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sidecar.domain import events as ev
from sidecar.domain.events import ContainerRef, Event, Source
from sidecar.domain.observe import JobEvidence, Observation
from sidecar.domain.pod import ContainerRole, RestartPolicy
from sidecar.domain.projection import fold
from sidecar.domain.slurm_state import SlurmState
from sidecar.domain.state import PodState

UID = "0c2e7c3c-5d5a-4d2c-9d5a-3f1f0a1b2c3d"
OTHER_UID = "5b7b9d0e-1111-4222-8333-444455556666"
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Json = dict[str, Any]


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def uid(number: int) -> str:
    """The UID of the pod with that number."""
    return f"00000000-0000-4000-8000-{number:012x}"


MAIN = ContainerRef(name="main", role=ContainerRole.MAIN, image="busybox:1.36")
INIT = ContainerRef(name="setup", role=ContainerRole.INIT, image="busybox:1.36")
SIDE = ContainerRef(name="side", role=ContainerRole.SIDECAR, image="busybox:1.36")


def accepted(
    *containers: ContainerRef,
    restart_policy: RestartPolicy = RestartPolicy.NEVER,
    name: str = "demo",
    namespace: str = "lab",
    notes: tuple[str, ...] = (),
) -> ev.PodAccepted:
    return ev.PodAccepted(
        namespace=namespace,
        name=name,
        containers=containers or (MAIN,),
        restart_policy=restart_policy,
        grace_seconds=30,
        requested_cpus=2,
        requested_memory_bytes=1024**3,
        notes=notes,
    )


STARTED = ev.SubmissionStarted(token="c0ffee", job_name="demo.c0ffee")
SUBMITTED: tuple[Event, ...] = (STARTED, ev.JobSubmitted(job_id="7"))
RUNNING: tuple[Event, ...] = (*SUBMITTED, ev.JobStarted(nodes="node1"))


def began(container: str = "main", attempt: int = 0) -> ev.ContainerStarted:
    return ev.ContainerStarted(container=container, attempt=attempt)


def exited(code: int, container: str = "main", attempt: int = 0) -> ev.ContainerTerminated:
    reason = "Error" if code else "Completed"
    return ev.ContainerTerminated(container=container, attempt=attempt, exit_code=code, reason=reason)


def restarting(attempt: int, container: str = "main") -> ev.ContainerRestarting:
    return ev.ContainerRestarting(container=container, attempt=attempt, delay_seconds=10)


def succeeded() -> ev.JobSucceeded:
    return ev.JobSucceeded(slurm_state="COMPLETED", reason="Completed")


def failed(reason: str = "Error") -> ev.JobFailed:
    return ev.JobFailed(slurm_state="FAILED", exit_code=1, reason=reason)


def timed(events: Sequence[Event], *, start: float = 0) -> list[tuple[Event, datetime]]:
    """One event a second."""
    return [(event, at(start + second)) for second, event in enumerate(events)]


def observations(*events: Event, start: float = 0, source: Source = Source.REQUEST) -> list[Observation]:
    return [Observation(event=event, at=when, source=source) for event, when in timed(events, start=start)]


def a_state(
    *events: Event,
    containers: Sequence[ContainerRef] = (),
    restart_policy: RestartPolicy = RestartPolicy.NEVER,
    pod_uid: str = UID,
) -> PodState:
    """The state of a pod after its acceptance, at noon, and these events, one a second."""
    return fold(pod_uid, timed([accepted(*containers, restart_policy=restart_policy), *events]))


def evidence(state: SlurmState = SlurmState.COMPLETED, **changes: Any) -> JobEvidence:
    """What Slurm says about job 7, which ran from second 2 to second 60."""
    return replace(
        JobEvidence(
            job_id="7",
            state=state,
            source=Source.SACCT,
            observed_at=at(61),
            nodes="node1",
            started_at=at(2),
            ended_at=at(60) if state.is_terminal else None,
        ),
        **changes,
    )


def a_container_json(name: str = "main", **fields: Any) -> Json:
    return {"name": name, "image": "busybox:1.36", "command": ["true"], **fields}


def a_pod_json(
    *containers: Json,
    pod_uid: str = UID,
    annotations: dict[str, str] | None = None,
    init: Sequence[Json] = (),
    name: str = "demo",
    **spec: Any,
) -> Json:
    """A v1.Pod as interLink sends it."""
    return {
        "metadata": {"name": name, "namespace": "lab", "uid": pod_uid, "annotations": annotations or {}},
        "spec": {
            "containers": list(containers) or [a_container_json()],
            "initContainers": list(init),
            "restartPolicy": "Never",
            **spec,
        },
    }


def a_request(pod: Json | None = None, **retrieved: Any) -> Json:
    """The body of ``/create``; ``retrieved`` is what interLink sends along with each container."""
    pod = a_pod_json() if pod is None else pod
    names = [c["name"] for c in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])]
    nothing: Json = {"configMaps": None, "projectedvolumemaps": None, "secrets": None, "emptyDirs": None}
    return {"pod": pod, "container": [{"name": n, **nothing, **retrieved} for n in names], "jobConfig": {}}


def body(value: object) -> bytes:
    return json.dumps(value).encode()
