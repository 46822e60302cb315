"""Seen from outside and whatever a job runs: when it starts and ends, and its container's process, in milliseconds.

The container's process tells of itself through a named pipe that it holds open: its first byte is the process's
beginning, its end the process's end. The job's beginning and end are those of ``slurmstepd``, the process of Slurm that
belongs to one job.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime
from typing import TypeVar

from tests.bench.measure import megabytes
from tests.bench.sides import MOUNT_PATH, Side

CONTAINER_SECONDS = 0.4
"""Long enough to look at the job's processes meanwhile."""
_PIPE = "pipe"
_COMMAND = ("sh", "-c", f"exec 3>{MOUNT_PATH}/{_PIPE}; echo >&3; exec sleep {CONTAINER_SECONDS}")
_PATIENCE_SECONDS = 60
_Answer = TypeVar("_Answer")
_RUNTIMES = ("apptainer", "singularity", "starter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one job showed."""

    start_ms: float
    """From the job's start to the container's process."""
    end_ms: float
    """From that process's end to the job's end."""
    script_mb: float
    """Resident memory of the batch script's own process while the container runs."""
    supervision_mb: float
    """Memory of all processes that are not below the runtime; what they share counts once."""

    @property
    def sum_ms(self) -> float:
        """All that the job takes beside the container's process."""
        return self.start_ms + self.end_ms


def watch(side: Side, folder: Path) -> Seen:
    """Run one job and look at it.

    :param folder: where the pipe is made
    :raises TimeoutError: something does not happen
    """
    with _pipe(folder) as pipe:
        job_id = side.start(_COMMAND, folder)
        began = _when(pipe, select.POLLIN, f"the container of job {job_id} to begin")
        os.read(pipe, 1)
        step = _step_of(job_id)
        with _watched(step) as process:
            script = _script_of(step)
            script_mb = megabytes(script, "status", "VmRSS")
            supervision_mb = sum(_or_none(pid, _share) or 0 for pid in _supervision(script))
            started = _started_at(step)
            ended = _when(pipe, select.POLLHUP, f"the container of job {job_id} to end")
            gone = _when(process, select.POLLIN, f"job {job_id} to end")
    return Seen(
        start_ms=1000 * (began - started),
        end_ms=1000 * (gone - ended),
        script_mb=script_mb,
        supervision_mb=supervision_mb,
    )


@contextmanager
def _pipe(folder: Path) -> Iterator[int]:
    path = folder / _PIPE
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        path.unlink()


@contextmanager
def _watched(pid: int) -> Iterator[int]:
    """A descriptor that becomes readable when the process ends: any process's, not only a child's.

    Source: https://man7.org/linux/man-pages/man2/pidfd_open.2.html
    """
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _when(descriptor: int, event: int, what: str) -> float:
    """Seconds since the machine's boot."""
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(1000 * _PATIENCE_SECONDS):
        raise TimeoutError(f"waited {_PATIENCE_SECONDS} s for {what}")
    return clock_gettime(CLOCK_BOOTTIME)


def _started_at(pid: int) -> float:
    """In the same clock, to a hundredth; the kernel cuts off what is less, and half of that is put back.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, field 22
    """
    ticks = int(_stat(pid)[19])
    return (ticks + 0.5) / os.sysconf("SC_CLK_TCK")


def _step_of(job_id: str) -> int:
    title = f"slurmstepd: [{job_id}.batch]"
    return _first(lambda pid: Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0 ") == title, title)


def _script_of(step: int) -> int:
    return _first(lambda pid: _parent(pid) == step, f"child of slurmstepd {step}")


def _supervision(script: int) -> list[int]:
    """The processes of the batch script without those of the container runtime."""
    family = [script]
    parents = {pid: _or_none(pid, _parent) for pid in _pids()}
    for member in family:
        children = (pid for pid, parent in parents.items() if parent == member)
        family += [pid for pid in children if not (_or_none(pid, _program) or "").startswith(_RUNTIMES)]
    return family


def _share(pid: int) -> float:
    return megabytes(pid, "smaps_rollup", "Pss")


def _first(is_meant: Callable[[int], bool], what: str) -> int:
    for pid in _pids():
        if _or_none(pid, is_meant):
            return pid
    raise TimeoutError(f"there is no process that is {what}")


def _or_none(pid: int, ask: Callable[[int], _Answer]) -> _Answer | None:
    """A process may end while it is asked."""
    try:
        return ask(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None


def _pids() -> list[int]:
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _program(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text()


def _stat(pid: int) -> list[str]:
    """The fields after the program's name, from the third on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
