"""A pod and its containers as they are now: what the fold of a history gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sidecar.domain import events as ev
from sidecar.domain.lifecycle import Phase
from sidecar.domain.pod import ContainerRole, RestartPolicy


class ContainerStatus(StrEnum):
    """The three states Kubernetes knows."""

    WAITING = "waiting"
    RUNNING = "running"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """How one attempt of a container ended."""

    exit_code: int
    reason: str
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """One container now."""

    name: str
    role: ContainerRole
    image: str
    status: ContainerStatus = ContainerStatus.WAITING
    reason: str = "PodAccepted"
    """Why it is waiting."""
    message: str = ""
    attempt: int = 0
    """0 for the first start; equals Kubernetes' ``restartCount``."""
    pull_tries: int = 0
    """How often the image could not be had in the present attempt."""
    started_at: datetime | None = None
    started: bool = False
    """Whether its hook and its startup probe have succeeded, in this attempt."""
    ready: bool = False
    ever_started: bool = False
    """The same in any attempt."""
    unhealthy: str = ""
    """Why the present attempt is being ended."""
    termination: Termination | None = None
    """Of the present attempt, while terminated."""
    previous: Termination | None = None
    """Of the attempt before."""

    @property
    def image_failed(self) -> bool:
        """Whether it waits because its image could not be had."""
        return self.status is ContainerStatus.WAITING and self.reason == "ErrImagePull"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """One pod now."""

    uid: str
    version: int
    """Number of events so far."""
    namespace: str
    name: str
    phase: Phase
    restart_policy: RestartPolicy
    grace_seconds: int
    containers: tuple[ContainerState, ...]
    accepted_at: datetime
    changed_at: datetime
    """When the latest event happened."""
    token: str = ""
    """Of the latest submission; empty before the first."""
    job_name: str = ""
    submission_started_at: datetime | None = None
    job_id: str = ""
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    """When the job began to run."""
    finished_at: datetime | None = None
    nodes: str = ""
    slurm_state: str = ""
    reason: str = ""
    """Why the pod is where it is, in a word (Slurm's reason, SubmissionFailed, DeadlineExceeded, ...)."""
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    deadline_seconds: int | None = None
    """How long the pod was allowed to run, once that is over (``activeDeadlineSeconds``)."""
    missing_since: datetime | None = None
    """When Slurm's queue stopped listing the job without any other evidence."""
    deletion_requested_at: datetime | None = None
    deletion_grace_seconds: int | None = None
    cancellation_sent_at: datetime | None = None
    cancellation_signal: str = ""
    usage_recorded: bool = False
    files_removed: bool = False
    requested_cpus: int = 0
    requested_memory_bytes: int | None = None
    requested_gpus: int = 0
    usage: ev.JobUsageRecorded | None = None
    notes: tuple[str, ...] = ()
    run_as_user: int | None = None
    run_as_group: int | None = None

    def __hash__(self) -> int:
        """As equal as two states can be: a pod has one state per version."""
        return hash((self.uid, self.version))

    def container(self, name: str) -> ContainerState | None:
        """The container of that name, or ``None``."""
        return next((c for c in self.containers if c.name == name), None)

    @property
    def is_deleted(self) -> bool:
        """Whether Kubernetes has asked for the pod's end."""
        return self.deletion_requested_at is not None

    @property
    def is_open(self) -> bool:
        """Whether there is still something to do: a job to follow, usage to learn, files to remove."""
        if not self.phase.is_final:
            return True
        return (self.is_deleted and not self.files_removed) or (bool(self.job_id) and not self.usage_recorded)

    @property
    def is_settled(self) -> bool:
        """Whether Slurm's answer to the submission is known."""
        return self.phase is not Phase.PENDING
