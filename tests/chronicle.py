"""A fortnight of a small site, in a database: pods of three groups, with every way there is to end or to wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sidecar.domain import events as ev
from sidecar.domain.events import ContainerRef, Event, Source
from sidecar.domain.observe import Observation
from sidecar.domain.pod import ContainerRole, RestartPolicy
from sidecar.store import journal
from sidecar.store.engine import Database
from tests.factories import INIT, MAIN, NOON, began, exited, restarting, uid

GIB = 1024**3
Timed = tuple[float, Event]
"""Seconds after the acceptance, and what happened."""


def fill(database: Database, *, days: int = 14) -> int:
    """Write the chronicle and return the number of pods."""
    number = 0
    with database.write() as session:
        for day in range(days):
            for story in STORIES:
                number += 1
                accepted_at = NOON - timedelta(days=days - day) + timedelta(seconds=number)
                news = list(_told(story, number, accepted_at))
                journal.append(session, uid(number), news, state=None, now=news[-1].at)
    return number


def _told(story: Sequence[Timed], number: int, accepted_at: datetime) -> Iterator[Observation]:
    yield Observation(event=_accepted(number), at=accepted_at, source=Source.REQUEST)
    for seconds, event in story:
        yield Observation(event=event, at=accepted_at + timedelta(seconds=seconds), source=Source.SQUEUE)


def _accepted(number: int) -> ev.PodAccepted:
    namespace = ("astro", "bio", "chem")[number % 3]
    helper = ContainerRef(name="helper", role=ContainerRole.MAIN, image="registry.example/helper:2")
    return ev.PodAccepted(
        namespace=namespace,
        name=f"{namespace}-{number}",
        containers=(INIT, MAIN, helper) if number % 4 == 0 else (MAIN,),
        restart_policy=RestartPolicy.ON_FAILURE,
        grace_seconds=30,
        requested_cpus=1 + number % 8,
        requested_memory_bytes=(1 + number % 4) * GIB if number % 5 else None,
        requested_gpus=number % 2,
    )


def _submitted(wait: float = 60.0) -> list[Timed]:
    return [
        (0.0, ev.SubmissionStarted(token="c0ffee", job_name="demo.c0ffee")),
        (0.1, ev.JobSubmitted(job_id="4711")),
        (5.0, ev.JobQueued(reason="Priority")),
        (wait, ev.JobStarted(nodes="node1")),
        (wait + 0.5, began()),
    ]


def _usage(seconds: int, cpu_seconds: float, rss: int) -> ev.JobUsageRecorded:
    return ev.JobUsageRecorded(
        elapsed_seconds=seconds, cpu_seconds=cpu_seconds, max_rss_bytes=rss, allocated_cpus=4, partition="main",
        account="users",
    )  # fmt: skip


def _failed(state: str, reason: str, message: str = "", code: int = 0) -> ev.JobFailed:
    return ev.JobFailed(slurm_state=state, exit_code=code, reason=reason, message=message)


STORIES: Sequence[Sequence[Timed]] = (
    # It works.
    [
        *_submitted(),
        (3660.0, exited(0)),
        (3661.0, ev.JobSucceeded(slurm_state="COMPLETED", reason="Completed")),
        (3670.0, _usage(3601, 9000.0, 2 * GIB)),
    ],
    # It works after a long wait and a restart, and uses little of what it asked for.
    [
        *_submitted(7200.0),
        (7260.0, exited(1)),
        (7261.0, restarting(1)),
        (7271.0, began(attempt=1)),
        (9000.0, exited(0, attempt=1)),
        (9001.0, ev.JobSucceeded(slurm_state="COMPLETED", reason="Completed")),
        (9010.0, _usage(1801, 60.0, GIB // 8)),
    ],
    # The program fails.
    [
        *_submitted(),
        (90.0, exited(3)),
        (91.0, _failed("FAILED", "Error", "container main failed with exit code 3", 3)),
        (95.0, _usage(31, 20.0, GIB)),
    ],
    # Slurm kills it.
    [
        *_submitted(),
        (600.0, exited(137)),
        (600.0, _failed("OUT_OF_MEMORY", "OOMKilled", "the job used more memory than it asked for")),
        (605.0, _usage(540, 500.0, 4 * GIB)),
    ],
    [
        *_submitted(),
        (3660.0, exited(143)),
        (3660.0, _failed("TIMEOUT", "DeadlineExceeded", "the job reached its time limit")),
        (3665.0, _usage(3600, 3500.0, GIB)),
    ],
    # The image cannot be had.
    [
        *_submitted()[:-1],
        (61.0, ev.ImagePullFailed(container="main", attempt=0, message="manifest unknown")),
        (61.0, exited(128)),
        (62.0, _failed("FAILED", "Error", "container main failed with exit code 128", 128)),
    ],
    # sbatch refuses it.
    [
        (0.0, ev.SubmissionStarted(token="c0ffee", job_name="demo.c0ffee")),
        (0.1, ev.SubmissionFailed(reason="Batch job submission failed: Invalid partition name specified")),
    ],
    # Kubernetes deletes it while it runs, and its files are removed.
    [
        *_submitted(),
        (300.0, ev.DeletionRequested(grace_seconds=30)),
        (300.2, ev.CancellationSent(signal="TERM")),
        (310.0, exited(143)),
        (311.0, ev.JobCancelled(slurm_state="CANCELLED", reason="Cancelled", message="the job was cancelled")),
        (312.0, ev.FilesRemoved()),
    ],
    # It is lost.
    [
        *_submitted(),
        (300.0, ev.EvidenceMissing(detail="neither queue nor accounting knows the job")),
        (420.0, _failed("UNKNOWN", "JobLost", "neither queue nor accounting knows the job")),
    ],
    # It still runs; it still waits; Slurm does not answer.
    _submitted(),
    _submitted()[:3],
    [
        (0.0, ev.SubmissionStarted(token="c0ffee", job_name="demo.c0ffee")),
        (9.0, ev.SubmissionDeferred(reason="Unable to contact slurm controller (connect failure)")),
    ],
)
