"""Slurm's accounting: what sacct knows about jobs that left the queue, and how to read it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sidecar.domain.slurm_state import SlurmState
from sidecar.errors import UnreadableSlurmOutput
from sidecar.slurm.parse import (
    parse_count,
    parse_cpu_time,
    parse_exit_code,
    parse_job_id,
    parse_size,
    parse_time,
    records,
)
from sidecar.slurm.states import parse_state

_FIELDS = (
    "JobID",
    "MaxRSS",
    "State",
    "ExitCode",
    "Submit",
    "Start",
    "End",
    "ElapsedRaw",
    "TotalCPU",
    "AllocCPUS",
    "ReqTRES",
    "Partition",
    "Account",
    "NodeList",
    "JobName",
    "WorkDir",
    "UID",
    "Comment",
)
ACCOUNT_FORMAT = ",".join(_FIELDS)
"""The value of ``--format`` that :func:`parse_accounts` reads: https://slurm.schedmd.com/sacct.html, "Job
Accounting Fields"."""

_REQUESTED_MEMORY = re.compile(r"(?:^|,)mem=([^,]+)")
"""From ReqTRES and not from ReqMem, which before 21.08 meant memory per core or per node."""

_NO_NODES = "None assigned"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAccount:
    """One run of one job: a requeued job, or a later one with the same id, has an account of its own."""

    job_id: str
    state: SlurmState
    """Decides success: a cancelled or timed out job shows exit code 0."""
    exit_code: int
    signal: int
    """The signal that ended the job's script, 0 if none did."""
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    elapsed_seconds: int
    cpu_seconds: float | None
    """User and system time of all processes."""
    max_rss_bytes: int | None
    """The largest process of any step; ``None`` where nothing was sampled."""
    allocated_cpus: int
    requested_memory_bytes: int | None
    """Over all nodes; ``None``: the partition's default."""
    partition: str
    account: str
    nodes: str
    job_name: str
    work_dir: Path
    comment: str
    """Empty unless the site has ``AccountingStoreFlags=job_comment``."""
    uid: int | None = None
    """Whose job it was; ``None`` where the record was lost."""


def parse_accounts(text: str, separator: str) -> list[JobAccount]:
    """Read what sacct printed, times in seconds, each job's steps folded into it, in sacct's order.

    :raises UnreadableSlurmOutput: it is not what was asked for
    """
    accounts: list[JobAccount] = []
    for record in records(text, separator, len(_FIELDS)):
        job_id, dot, _ = record[0].partition(".")
        if not dot:
            accounts.append(_parse_job(record))
        elif accounts and accounts[-1].job_id == job_id:
            accounts[-1] = _with_step(accounts[-1], parse_size(record[1]))
        else:
            raise UnreadableSlurmOutput(f"sacct printed the step {record[0][:40]!r} without its job")
    return accounts


def _with_step(account: JobAccount, max_rss_bytes: int | None) -> JobAccount:
    known = [size for size in (account.max_rss_bytes, max_rss_bytes) if size is not None]
    return replace(account, max_rss_bytes=max(known, default=None))


def _parse_job(record: tuple[str, ...]) -> JobAccount:
    values = dict(zip(_FIELDS, record, strict=True))
    exit_code, signal = parse_exit_code(values["ExitCode"])
    memory = _REQUESTED_MEMORY.search(values["ReqTRES"])
    return JobAccount(
        job_id=parse_job_id(values["JobID"]),
        state=parse_state(values["State"]),
        exit_code=exit_code,
        signal=signal,
        submitted_at=parse_time(values["Submit"]),
        started_at=parse_time(values["Start"]),
        ended_at=parse_time(values["End"]),
        elapsed_seconds=parse_count(values["ElapsedRaw"]),
        cpu_seconds=parse_cpu_time(values["TotalCPU"]),
        max_rss_bytes=parse_size(values["MaxRSS"]),
        allocated_cpus=parse_count(values["AllocCPUS"]),
        requested_memory_bytes=parse_size(memory[1]) if memory else None,
        partition=values["Partition"],
        account=values["Account"],
        nodes="" if values["NodeList"] == _NO_NODES else values["NodeList"],
        job_name=values["JobName"],
        work_dir=Path(values["WorkDir"]),
        uid=parse_count(values["UID"]) if values["UID"] else None,
        comment=values["Comment"],
    )
