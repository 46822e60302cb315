"""Slurm's queue: one squeue call for all jobs, and how to read what it prints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sidecar.domain.slurm_state import SlurmState
from sidecar.slurm.parse import parse_count, parse_job_id, parse_time, records
from sidecar.slurm.states import parse_state

_FIELDS = ("%i", "%T", "%V", "%S", "%e", "%l", "%r", "%N", "%Z", "%U", "%j", "%k")
"""https://slurm.schedmd.com/squeue.html, option ``--format``: without a size, a field is printed whole."""

_ABSENT = "(null)"
"""How squeue prints the comment of a job without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInQueue:
    """A job as the controller knows it now; finished jobs stay for ``MinJobAge`` seconds."""

    job_id: str
    """``123``, or ``123_4`` for a task of an array."""
    state: SlurmState
    reason: str
    """Why it waits or how it failed, in Slurm's words; ``None`` is one of them."""
    nodes: str
    """Slurm's short form such as ``node[1-3]``; empty before the start."""
    job_name: str
    comment: str
    submitted_at: datetime | None
    started_at: datetime | None
    """``None`` before the start: what squeue shows then is a forecast."""
    ended_at: datetime | None
    """``None`` before the end: what squeue shows then is the time limit."""
    work_dir: Path
    time_limit: str
    """``days-hours:minutes:seconds``, or a word such as ``UNLIMITED``."""
    uid: int | None = None
    """Whose job it is."""


def queue_format(separator: str) -> str:
    """The value of ``--format`` that :func:`parse_queue` reads."""
    return "".join(field + separator for field in _FIELDS)


def parse_queue(text: str, separator: str) -> list[JobInQueue]:
    """Read what squeue printed, times in seconds.

    :raises UnreadableSlurmOutput: it is not what was asked for
    """
    return [_parse_job(record) for record in records(text, separator, len(_FIELDS))]


def _parse_job(record: tuple[str, ...]) -> JobInQueue:
    job_id, word, submitted, started, ended, time_limit, reason, nodes, work_dir, uid, job_name, comment = record
    state = parse_state(word)
    return JobInQueue(
        job_id=parse_job_id(job_id),
        state=state,
        reason=reason,
        nodes=nodes,
        job_name=job_name,
        comment="" if comment == _ABSENT else comment,
        submitted_at=parse_time(submitted),
        started_at=None if state.is_waiting else parse_time(started),
        ended_at=parse_time(ended) if state.is_terminal else None,
        work_dir=Path(work_dir),
        uid=parse_count(uid),
        time_limit=time_limit,
    )
