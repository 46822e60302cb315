"""Everything that can happen to a pod, in the past tense.

A stored event never changes its shape: a new field gets a default, a new meaning gets a new kind. ``kind`` is the
name in the database, in the lifecycle's table and in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from sidecar.domain.pod import ContainerRole, RestartPolicy


class Source(StrEnum):
    """Who told us."""

    REQUEST = "request"
    """interLink, or a person through the same API."""
    SBATCH = "sbatch"
    SQUEUE = "squeue"
    SACCT = "sacct"
    REPORT = "report"
    """The report file that the job itself writes."""
    SIDECAR = "sidecar"
    """This program's own doing or conclusion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact about one pod."""

    kind: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRef:
    """A container as the history names it: nothing secret."""

    name: str
    role: ContainerRole
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodAccepted(Event):
    """The pod was read, understood and written to disk."""

    kind = "pod_accepted"
    namespace: str
    name: str
    containers: tuple[ContainerRef, ...]
    restart_policy: RestartPolicy
    grace_seconds: int
    requested_cpus: int
    requested_memory_bytes: int | None = None
    requested_gpus: int = 0
    notes: tuple[str, ...] = ()
    requested_devices: tuple[tuple[str, int], ...] = ()
    """GPUs and other devices by Kubernetes' names."""
    requested_ephemeral_storage_bytes: int | None = None
    run_as_user: int | None = None
    """The Unix user of the job; ``None`` in histories from before it was recorded: the daemon's own."""
    run_as_group: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionStarted(Event):
    """sbatch is about to be called; ``token`` is in the job's comment and finds it whatever happens next."""

    kind = "submission_started"
    token: str
    job_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionDeferred(Event):
    """Slurm could not be reached; the pod is submitted when it is back."""

    kind = "submission_deferred"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionFailed(Event):
    """Slurm refused the job for good."""

    kind = "submission_failed"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmitted(Event):
    """sbatch took the script and answered with a job id."""

    kind = "job_submitted"
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAdopted(Event):
    """The job of an interrupted submission was found in Slurm instead of being submitted again."""

    kind = "job_adopted"
    job_id: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurplusJobCancelled(Event):
    """A second job of the same pod was found and cancelled; it has run nothing."""

    kind = "surplus_job_cancelled"
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueued(Event):
    """The job waits in Slurm's queue, for this reason (again after a requeue)."""

    kind = "job_queued"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted(Event):
    """The job runs on these nodes."""

    kind = "job_started"
    nodes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePullFailed(Event):
    """The container's image could not be had, and nobody tries any more; the message is the runtime's."""

    kind = "image_pull_failed"
    container: str
    attempt: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePullBackOff(Event):
    """The container's image could not be had this time; the message is the runtime's."""

    kind = "image_pull_back_off"
    container: str
    attempt: int
    tries: int
    """Of this attempt so far: 1, 2, ..."""
    delay_seconds: int
    """Until the next one."""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStarted(Event):
    """The container's process was started."""

    kind = "container_started"
    container: str
    attempt: int
    started: bool = True
    """Whether nothing (postStart hook, startup probe) has to succeed first."""
    ready: bool = True
    """Whether it counts as ready, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerHealthChanged(Event):
    """A probe or the postStart hook changed what the container counts as."""

    kind = "container_health_changed"
    container: str
    attempt: int
    started: bool
    ready: bool
    message: str = ""
    """What the readiness probe said last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerUnhealthy(Event):
    """A hook failed, or a probe failed so often that the container is ended for it."""

    kind = "container_unhealthy"
    container: str
    attempt: int
    check: str
    """``liveness``, ``startup``, ``postStart`` or ``preStop``; the last one ends nothing."""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineExceeded(Event):
    """The pod has run for ``activeDeadlineSeconds``: its containers are ended."""

    kind = "deadline_exceeded"
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerTerminated(Event):
    """The container ended; 128+n stands for signal n."""

    kind = "container_terminated"
    container: str
    attempt: int
    exit_code: int
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRestarting(Event):
    """The container will be started again after a back-off."""

    kind = "container_restarting"
    container: str
    attempt: int
    """The attempt that is about to start."""
    delay_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnded(Event):
    """What the three ways a job ends have in common."""

    slurm_state: str
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSucceeded(JobEnded):
    """The job ended and every main container exited with 0."""

    kind = "job_succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed(JobEnded):
    """The job ended in any other way."""

    kind = "job_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled(JobEnded):
    """The pod was deleted before its end, and nothing of it runs any more."""

    kind = "job_cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobUsageRecorded(Event):
    """What the job used, from Slurm's accounting."""

    kind = "job_usage_recorded"
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    elapsed_seconds: int | None = None
    cpu_seconds: float | None = None
    """User and system time of all processes."""
    max_rss_bytes: int | None = None
    allocated_cpus: int | None = None
    requested_memory_bytes: int | None = None
    partition: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceMissing(Event):
    """Slurm's queue no longer lists the job and nothing else says yet how it ended."""

    kind = "evidence_missing"
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRequested(Event):
    """Kubernetes wants the pod gone."""

    kind = "deletion_requested"
    grace_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationSent(Event):
    """Slurm took the order to stop the job."""

    kind = "cancellation_sent"
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRemoved(Event):
    """The deleted pod's directory, with its secrets and logs, is gone."""

    kind = "files_removed"


KINDS: dict[str, type[Event]] = {
    cls.kind: cls
    for cls in (
        PodAccepted,
        SubmissionStarted,
        SubmissionDeferred,
        SubmissionFailed,
        JobSubmitted,
        JobAdopted,
        SurplusJobCancelled,
        JobQueued,
        JobStarted,
        ImagePullFailed,
        ImagePullBackOff,
        ContainerStarted,
        ContainerHealthChanged,
        ContainerUnhealthy,
        DeadlineExceeded,
        ContainerTerminated,
        ContainerRestarting,
        JobSucceeded,
        JobFailed,
        JobCancelled,
        JobUsageRecorded,
        EvidenceMissing,
        DeletionRequested,
        CancellationSent,
        FilesRemoved,
    )
}
"""Every kind of event by its stored name."""
