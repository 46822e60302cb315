"""One look at Slurm: at most one squeue and one sacct, whatever the number of pods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import structlog

from sidecar.domain.events import JobUsageRecorded, Source
from sidecar.domain.observe import JobEvidence, has_begun
from sidecar.domain.state import PodState
from sidecar.errors import AccountingDisabled, SlurmError
from sidecar.job_output import output
from sidecar.pod_files.paths import PodDirectory
from sidecar.slurm.accounting import JobAccount
from sidecar.slurm.client import SlurmClient
from sidecar.slurm.queue import JobInQueue
from sidecar.submission import COMMENT_PREFIX, comment_of, is_of_user, users_of

log = structlog.get_logger(__name__)

MAX_ACCOUNTS = 5000
"""How many jobs one sacct call asks about; the others follow with the next look."""


_NO_REASON = "None"
"""squeue's word for a job that the scheduler has not looked at yet."""


class Accounting(StrEnum):
    """How accounting answered."""

    NOT_ASKED = "not asked"
    ANSWERED = "answered"
    DISABLED = "disabled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What Slurm said at one moment."""

    at: datetime
    queue: Mapping[str, JobInQueue]
    """Our pods' jobs by pod UID."""
    accounts: Mapping[str, JobAccount]
    """By pod UID."""
    accounting: Accounting
    marked: Mapping[str, Sequence[JobInQueue]] = field(default_factory=dict)
    """Pod UID to all jobs in the queue that carry the sidecar's mark and have not ended."""
    last_words: Mapping[str, str] = field(default_factory=dict)
    """Pod UID to the end of its job's output, where the job left the queue before anything of a container is known."""


def take(
    slurm: SlurmClient, pods: Sequence[PodState], directory_of: Callable[[PodState], PodDirectory], *, now: datetime
) -> Look:
    """Ask Slurm about these pods, which must have been loaded before.

    :raises SlurmUnreachable: squeue did not answer
    """
    jobs = slurm.squeue(users_of(pods)) if any(not pod.phase.is_final for pod in pods) else []
    directories = {pod.uid: directory_of(pod).root for pod in pods}
    by_id = {job.job_id: job for job in jobs}
    queue = {
        pod.uid: by_id[pod.job_id]
        for pod in pods
        if pod.job_id in by_id and _is_of(by_id[pod.job_id], pod, directories[pod.uid])
    }
    to_ask = [pod for pod in pods if _left_queue(pod, queue.get(pod.uid))][:MAX_ACCOUNTS]
    accounts, accounting = _accounts(slurm, to_ask, directories)
    return Look(
        at=now,
        queue=queue,
        accounts=accounts,
        accounting=accounting,
        marked=_marked(jobs, pods),
        last_words={pod.uid: output.last_words(directory_of(pod)) for pod in to_ask if _may_need_words(pod)},
    )


def _may_need_words(pod: PodState) -> bool:
    return not pod.phase.is_final and not has_begun(pod)


def _is_of(job: JobInQueue, pod: PodState, directory: Path) -> bool:
    """Job ids come round again: the comment or the directory says whether it is this pod's job."""
    return is_of_user(job.uid, pod) and (job.comment == comment_of(pod.uid, pod.token) or job.work_dir == directory)


def _left_queue(pod: PodState, job: JobInQueue | None) -> bool:
    return bool(pod.job_id) and (job is None or job.state.is_terminal)


def _accounts(
    slurm: SlurmClient, pods: Sequence[PodState], directories: Mapping[str, Path]
) -> tuple[dict[str, JobAccount], Accounting]:
    if not pods:
        return {}, Accounting.NOT_ASKED
    try:
        accounts = slurm.sacct([pod.job_id for pod in pods])
    except AccountingDisabled:
        return {}, Accounting.DISABLED
    except SlurmError as error:
        log.warning("accounting did not answer", reason=str(error))
        return {}, Accounting.FAILED
    found: dict[str, JobAccount] = {}
    by_id: dict[str, list[JobAccount]] = {}
    for account in accounts:
        by_id.setdefault(account.job_id, []).append(account)
    for pod in pods:
        runs = [a for a in by_id.get(pod.job_id, []) if _is_account_of(a, pod, directories[pod.uid])]
        if runs:
            found[pod.uid] = max(runs, key=lambda a: a.submitted_at.timestamp() if a.submitted_at else 0)
    return found, Accounting.ANSWERED


def _is_account_of(account: JobAccount, pod: PodState, directory: Path) -> bool:
    names_it = account.work_dir == directory or pod.token in account.job_name or pod.token in account.comment
    return names_it and is_of_user(account.uid, pod)


def _marked(jobs: Sequence[JobInQueue], pods: Sequence[PodState]) -> dict[str, list[JobInQueue]]:
    by_uid = {pod.uid: pod for pod in pods}
    marked: dict[str, list[JobInQueue]] = {}
    for job in jobs:
        prefix, _, rest = job.comment.partition(":")
        pod = by_uid.get(uid := rest.partition(":")[0])
        if prefix == COMMENT_PREFIX and not job.state.is_terminal and (pod is None or is_of_user(job.uid, pod)):
            marked.setdefault(uid, []).append(job)
    return marked


def queue_evidence(job: JobInQueue, at: datetime) -> JobEvidence:
    """squeue's words as evidence."""
    return JobEvidence(
        job_id=job.job_id,
        state=job.state,
        source=Source.SQUEUE,
        observed_at=at,
        reason="" if job.reason == _NO_REASON else job.reason,
        nodes=job.nodes,
        time_limit=job.time_limit,
        started_at=job.started_at,
        ended_at=job.ended_at,
    )


def account_evidence(account: JobAccount, at: datetime) -> JobEvidence:
    """sacct's words as evidence."""
    return JobEvidence(
        job_id=account.job_id,
        state=account.state,
        source=Source.SACCT,
        observed_at=at,
        nodes=account.nodes,
        exit_code=account.exit_code,
        signal=account.signal,
        started_at=account.started_at,
        ended_at=account.ended_at,
    )


def usage(account: JobAccount) -> JobUsageRecorded:
    """What sacct says the job used."""
    return JobUsageRecorded(
        submitted_at=account.submitted_at,
        started_at=account.started_at,
        ended_at=account.ended_at,
        elapsed_seconds=account.elapsed_seconds,
        cpu_seconds=account.cpu_seconds,
        max_rss_bytes=account.max_rss_bytes,
        allocated_cpus=account.allocated_cpus,
        requested_memory_bytes=account.requested_memory_bytes,
        partition=account.partition,
        account=account.account,
    )
