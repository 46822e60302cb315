"""The Slurm that everything is measured with, asked directly."""

from __future__ import annotations

import secrets
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from sidecar.slurm.parse import parse_cpu_time
from tests.bench.daemon import environment_of_jobs

_ACCOUNTING_SECONDS = 30
_RETRY_SECONDS = 0.5


def submit(script: Path) -> None:
    """The raw call that the sidecar is compared with."""
    subprocess.run(
        ["sbatch", "--parsable", str(script)],
        env=environment_of_jobs(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )


def submit_command(command: Sequence[str], *options: str) -> str:
    """A job of one command and nothing else; returns its id."""
    return _output("sbatch", "--parsable", *options, f"--wrap={shlex.join(command)}").strip().split(";")[0]


def jobs_left(name: str) -> list[str]:
    """The ids of the jobs of that name that have not wholly ended."""
    return _output("squeue", "--me", f"--name={name}", "--noheader", "--format=%i").split()


def cpu_seconds(job_ids: Sequence[str]) -> list[float]:
    """User and system time of each job by Slurm's accounting, which hears of an end a little later.

    :raises RuntimeError: a job has not succeeded
    :raises TimeoutError: the accounting does not hear of them all
    """
    deadline = monotonic() + _ACCOUNTING_SECONDS
    while monotonic() < deadline:
        rows = _accounts(job_ids)
        if failed := [row for row in rows if row[1] not in ("PENDING", "RUNNING", "COMPLETED")]:
            raise RuntimeError(f"not all jobs have succeeded: {failed[:5]}")
        times = [parse_cpu_time(time) for _, state, time in rows if state == "COMPLETED"]
        if len(times) == len(job_ids):
            return [time for time in times if time is not None]
        sleep(_RETRY_SECONDS)
    raise TimeoutError(f"sacct knows of {len(times)} ends of {len(job_ids)} after {_ACCOUNTING_SECONDS} s")


def _accounts(job_ids: Sequence[str]) -> list[list[str]]:
    """A row per job. Its steps are asked for, too, because a job's processor time is 0 where only jobs are."""
    options = ("--noheader", "--parsable2", "--format=JobID,State,TotalCPU")
    rows = [line.split("|") for line in _output("sacct", f"--jobs={','.join(job_ids)}", *options).splitlines()]
    return [row for row in rows if "." not in row[0]]


def _output(*command: str) -> str:
    environment = environment_of_jobs()
    result = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    return result.stdout


@contextmanager
def job_name() -> Iterator[str]:
    """A name for jobs that nobody else has; the jobs of that name end with the context."""
    name = f"bench-{secrets.token_hex(6)}"
    try:
        yield name
    finally:
        cancel(name)


def cancel(name: str) -> None:
    """Cancel all jobs of that name."""
    subprocess.run(["scancel", "--me", f"--name={name}"], check=True)


def version() -> str:
    """What Slurm calls itself."""
    return subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def counting(folder: Path, programs: Sequence[str]) -> dict[str, Path]:
    """Programs that note each call and then are the real ones."""
    wrappers = {}
    for name in programs:
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\necho {name} >>"{folder}/calls"\nexec {real_path(name)} "$@"\n')
        wrapper.chmod(0o755)
        wrappers[name] = wrapper
    (folder / "calls").touch()
    return wrappers


def real_path(program: str) -> str:
    """Where a program is.

    :raises FileNotFoundError: it is not on PATH
    """
    found = shutil.which(program)
    if found is None:
        raise FileNotFoundError(f"there is no {program} on PATH")
    return found
