"""Databases with many pods on record, written by the store itself."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sidecar.domain import events as ev
from sidecar.domain.events import Event, Source
from sidecar.domain.observe import Observation
from sidecar.domain.pod import ContainerRole, RestartPolicy
from sidecar.pod_files import bells
from sidecar.pod_files.paths import PodDirectory
from sidecar.runner.contract.layout import DOCUMENT
from sidecar.store import engine, journal, migrate
from tests.bench.pods import CONTAINER, NAMESPACE

_PER_TRANSACTION = 500
_FIRST_JOB_ID = 500_000
_EVENTS_UNTIL_RUNNING = 6


def add_finished(path: Path, count: int) -> list[str]:
    """Put pods on record that have run, ended and been deleted; returns their UIDs.

    :param path: the database; made where it does not exist
    """
    return _add(path, count, None)


def add_running(path: Path, data_root: Path, count: int) -> list[str]:
    """Put pods on record that run and have nothing to tell, each with its directory, but without a job."""
    uids = _add(path, count, _EVENTS_UNTIL_RUNNING)
    for uid in uids:
        directory = PodDirectory.of(data_root, namespace=NAMESPACE, uid=uid)
        directory.root.mkdir(parents=True)
        (directory.root / DOCUMENT).write_text("{}")
        started = {"fact": "job_started", "at": datetime.now(UTC).timestamp(), "job": "1", "node": "node1"}
        directory.report.write_text(json.dumps(started) + "\n")
    bells.prepare(data_root, os.geteuid(), os.getegid())
    return uids


def _add(path: Path, count: int, length: int | None) -> list[str]:
    """:param length: how many events each pod has; ``None``: all of its life"""
    engine.prepare_folder(path)
    migrate.upgrade(path, now=datetime.now(UTC))
    uids = [str(uuid.uuid4()) for _ in range(count)]
    with closing(engine.Database(path)) as database:
        for start in range(0, count, _PER_TRANSACTION):
            with database.write() as session:
                for number, uid in enumerate(uids[start : start + _PER_TRANSACTION], start=start):
                    news = list(_life(number))[:length]
                    journal.append(session, uid, news, state=None, now=datetime.now(UTC))
    return uids


def _life(number: int) -> Iterator[Observation]:
    """All that happens to an ordinary pod, a second apart."""
    at = datetime.now(UTC) - timedelta(days=1)
    for event, source in _events(number):
        yield Observation(event=event, at=at, source=source)
        at += timedelta(seconds=1)


def _events(number: int) -> Iterator[tuple[Event, Source]]:
    job_id = str(_FIRST_JOB_ID + number)
    yield _accepted(number), Source.REQUEST
    yield ev.SubmissionStarted(token=f"{number:012x}", job_name=f"bench-{number}.{number:012x}"), Source.REQUEST
    yield ev.JobSubmitted(job_id=job_id), Source.SBATCH
    yield ev.JobQueued(reason="Priority"), Source.SQUEUE
    yield ev.JobStarted(nodes="node1"), Source.REPORT
    yield ev.ContainerStarted(container=CONTAINER, attempt=0), Source.REPORT
    ended = ev.ContainerTerminated(container=CONTAINER, attempt=0, exit_code=0, reason="Completed")
    yield ended, Source.REPORT
    yield ev.JobSucceeded(slurm_state="COMPLETED", reason="Completed"), Source.SACCT
    usage = ev.JobUsageRecorded(elapsed_seconds=60, cpu_seconds=42.5, max_rss_bytes=2**27, partition="main")
    yield usage, Source.SACCT
    yield ev.DeletionRequested(grace_seconds=30), Source.REQUEST
    yield ev.FilesRemoved(), Source.SIDECAR


def _accepted(number: int) -> ev.PodAccepted:
    image = ev.ContainerRef(name=CONTAINER, role=ContainerRole.MAIN, image="docker.io/library/busybox:1.36")
    return ev.PodAccepted(
        namespace=NAMESPACE,
        name=f"bench-{number}",
        containers=(image,),
        restart_policy=RestartPolicy.NEVER,
        grace_seconds=30,
        requested_cpus=1,
        requested_memory_bytes=2**30,
        notes=("spec.hostNetwork ignored",),
    )
