"""A pod's state as the fold of its events; everything that is answered or shown comes from here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sidecar.domain import events as ev
from sidecar.domain.lifecycle import Phase, next_phase
from sidecar.domain.state import ContainerState, ContainerStatus, PodState, Termination
from sidecar.errors import IllegalTransition


def fold(uid: str, history: Iterable[tuple[ev.Event, datetime]], state: PodState | None = None) -> PodState:
    """Apply events, each with the time it happened, to a pod's state (or begin it).

    :raises IllegalTransition: the history does not begin with ``pod_accepted``, or an event is not possible
    """
    for event, at in history:
        state = begin(uid, event, at) if state is None else apply(state, event, at)
    if state is None:
        raise IllegalTransition("a pod without events has no state")
    return state


def begin(uid: str, event: ev.Event, at: datetime) -> PodState:
    """The state after the first event."""
    if not isinstance(event, ev.PodAccepted):
        raise IllegalTransition(f"{event.kind} is not possible for a pod that was never accepted")
    return PodState(
        uid=uid,
        version=1,
        namespace=event.namespace,
        name=event.name,
        phase=Phase.PENDING,
        restart_policy=event.restart_policy,
        grace_seconds=event.grace_seconds,
        containers=tuple(ContainerState(name=c.name, role=c.role, image=c.image) for c in event.containers),
        accepted_at=at,
        changed_at=at,
        requested_cpus=event.requested_cpus,
        requested_memory_bytes=event.requested_memory_bytes,
        requested_gpus=event.requested_gpus,
        notes=event.notes,
        run_as_user=event.run_as_user,
        run_as_group=event.run_as_group,
    )


def apply(state: PodState, event: ev.Event, at: datetime) -> PodState:
    """The state after one more event.

    :raises IllegalTransition: the pod's phase does not allow the event
    """
    phase = next_phase(state.phase, event.kind)
    changed = _CHANGES[type(event)](state, event, at)
    return replace(changed, version=state.version + 1, phase=phase, changed_at=at)


def _change_container(state: PodState, name: str, **changes: Any) -> PodState:
    containers = tuple(replace(c, **changes) if c.name == name else c for c in state.containers)
    return replace(state, containers=containers)


def _waiting(state: PodState, reason: str, message: str) -> PodState:
    """All containers that have not started wait for this."""
    containers = tuple(
        replace(c, reason=reason, message=message)
        if c.status is ContainerStatus.WAITING and c.attempt == 0 and c.previous is None
        else c
        for c in state.containers
    )
    return replace(state, containers=containers, reason=reason, message=message)


def _submission_started(state: PodState, event: ev.SubmissionStarted, at: datetime) -> PodState:
    return replace(state, token=event.token, job_name=event.job_name, submission_started_at=at)


def _submission_deferred(state: PodState, event: ev.SubmissionDeferred, at: datetime) -> PodState:
    return _waiting(state, "SlurmUnreachable", event.reason)


def _submission_failed(state: PodState, event: ev.SubmissionFailed, at: datetime) -> PodState:
    refused = Termination(exit_code=128, reason="SubmissionFailed", message=event.reason, finished_at=at)
    containers = tuple(
        replace(c, status=ContainerStatus.TERMINATED, reason="", message="", termination=refused)
        for c in state.containers
    )
    return replace(state, containers=containers, reason="SubmissionFailed", message=event.reason, finished_at=at)


def _job_submitted(state: PodState, event: ev.JobSubmitted | ev.JobAdopted, at: datetime) -> PodState:
    waiting = _waiting(state, "Submitted", f"Slurm job {event.job_id} is in the queue")
    return replace(waiting, job_id=event.job_id, submitted_at=at)


def _job_queued(state: PodState, event: ev.JobQueued, at: datetime) -> PodState:
    waiting = _waiting(state, "Queued", f"Slurm job {state.job_id} is waiting: {event.reason}")
    return replace(waiting, reason=event.reason, missing_since=None, started_at=None)


def _job_started(state: PodState, event: ev.JobStarted, at: datetime) -> PodState:
    waiting = _waiting(state, "ContainerCreating", f"Slurm job {state.job_id} runs on {event.nodes}")
    return replace(waiting, nodes=event.nodes, started_at=at, reason="", message="", missing_since=None)


def _image_pull_failed(state: PodState, event: ev.ImagePullFailed, at: datetime) -> PodState:
    return _change_container(state, event.container, reason="ErrImagePull", message=event.message)


def _image_pull_back_off(state: PodState, event: ev.ImagePullBackOff, at: datetime) -> PodState:
    return _change_container(
        state,
        event.container,
        reason="ImagePullBackOff",
        message=f"try {event.tries} failed, the next follows in {event.delay_seconds} s: {event.message}",
        pull_tries=event.tries,
    )


def _container_started(state: PodState, event: ev.ContainerStarted, at: datetime) -> PodState:
    return _change_container(
        state,
        event.container,
        status=ContainerStatus.RUNNING,
        reason="",
        message="",
        attempt=event.attempt,
        started_at=at,
        termination=None,
        unhealthy="",
        **_health(state, event),
    )


def _health(state: PodState, event: ev.ContainerStarted | ev.ContainerHealthChanged) -> dict[str, bool]:
    container = state.container(event.container)
    ever = event.started or bool(container and container.ever_started)
    return {"started": event.started, "ready": event.ready, "ever_started": ever}


def _container_health_changed(state: PodState, event: ev.ContainerHealthChanged, at: datetime) -> PodState:
    return _change_container(state, event.container, **_health(state, event))


_CHECKS = {
    "liveness": "Liveness probe failed", "startup": "Startup probe failed", "postStart": "PostStartHook failed",
}  # fmt: skip
"""The checks for which a container is ended, in the kubelet's words."""


def _container_unhealthy(state: PodState, event: ev.ContainerUnhealthy, at: datetime) -> PodState:
    if event.check not in _CHECKS:
        return state
    why = f"{_CHECKS[event.check]}: {event.message}" if event.message else _CHECKS[event.check]
    return _change_container(state, event.container, unhealthy=why, ready=False)


def _deadline_exceeded(state: PodState, event: ev.DeadlineExceeded, at: datetime) -> PodState:
    return replace(state, deadline_seconds=event.seconds)


def _container_terminated(state: PodState, event: ev.ContainerTerminated, at: datetime) -> PodState:
    container = state.container(event.container)
    no_image = container is not None and container.image_failed
    started = container.started_at if container and container.attempt == event.attempt else None
    return _change_container(
        state,
        event.container,
        status=ContainerStatus.TERMINATED,
        reason="",
        message="",
        attempt=event.attempt,
        started=False,
        ready=False,
        termination=Termination(
            exit_code=event.exit_code,
            reason="ErrImagePull" if no_image else event.reason,
            message=_last_words(container, event),
            started_at=started,
            finished_at=at,
        ),
    )


def _last_words(container: ContainerState | None, event: ev.ContainerTerminated) -> str:
    """The container's own message, else what we know about its end."""
    if container is not None and container.image_failed:
        return f"ErrImagePull: {container.message}"
    return event.message or (container.unhealthy if container else "")


def _container_restarting(state: PodState, event: ev.ContainerRestarting, at: datetime) -> PodState:
    container = state.container(event.container)
    ended = container.termination if container else None
    pull_failed = ended is not None and ended.reason == "ErrImagePull"
    return _change_container(
        state,
        event.container,
        status=ContainerStatus.WAITING,
        reason="ImagePullBackOff" if pull_failed else "CrashLoopBackOff",
        message=f"back-off {event.delay_seconds}s before the next start",
        attempt=event.attempt,
        pull_tries=0,
        started_at=None,
        previous=ended,
        termination=None,
    )


def _job_ended(state: PodState, event: ev.JobEnded, at: datetime) -> PodState:
    return replace(
        state,
        slurm_state=event.slurm_state,
        exit_code=event.exit_code,
        signal=event.signal,
        reason=event.reason,
        message=event.message,
        finished_at=at,
        missing_since=None,
    )


def _usage_recorded(state: PodState, event: ev.JobUsageRecorded, at: datetime) -> PodState:
    return replace(state, usage=event, usage_recorded=True)


def _evidence_missing(state: PodState, event: ev.EvidenceMissing, at: datetime) -> PodState:
    return replace(state, missing_since=at, message=event.detail)


def _deletion_requested(state: PodState, event: ev.DeletionRequested, at: datetime) -> PodState:
    return replace(state, deletion_requested_at=at, deletion_grace_seconds=event.grace_seconds)


def _cancellation_sent(state: PodState, event: ev.CancellationSent, at: datetime) -> PodState:
    return replace(state, cancellation_sent_at=at, cancellation_signal=event.signal)


def _files_removed(state: PodState, event: ev.FilesRemoved, at: datetime) -> PodState:
    return replace(state, files_removed=True)


def _unchanged(state: PodState, event: ev.Event, at: datetime) -> PodState:
    return state


_CHANGES: dict[type[ev.Event], Callable[[PodState, Any, datetime], PodState]] = {
    ev.SubmissionStarted: _submission_started,
    ev.SubmissionDeferred: _submission_deferred,
    ev.SubmissionFailed: _submission_failed,
    ev.JobSubmitted: _job_submitted,
    ev.JobAdopted: _job_submitted,
    ev.SurplusJobCancelled: _unchanged,
    ev.JobQueued: _job_queued,
    ev.JobStarted: _job_started,
    ev.ImagePullFailed: _image_pull_failed,
    ev.ImagePullBackOff: _image_pull_back_off,
    ev.ContainerStarted: _container_started,
    ev.ContainerHealthChanged: _container_health_changed,
    ev.ContainerUnhealthy: _container_unhealthy,
    ev.DeadlineExceeded: _deadline_exceeded,
    ev.ContainerTerminated: _container_terminated,
    ev.ContainerRestarting: _container_restarting,
    ev.JobSucceeded: _job_ended,
    ev.JobFailed: _job_ended,
    ev.JobCancelled: _job_ended,
    ev.JobUsageRecorded: _usage_recorded,
    ev.EvidenceMissing: _evidence_missing,
    ev.DeletionRequested: _deletion_requested,
    ev.CancellationSent: _cancellation_sent,
    ev.FilesRemoved: _files_removed,
}
"""What each kind of event changes besides the phase."""
