"""Running one program: the only place that starts processes.

A hung file system or controller must not hang this program, so every wait has an end. Output goes to memory files
and not through pipes: nothing that a killed program leaves behind can keep the reader waiting, and a program that is
left running never writes into a closed pipe.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from sidecar.domain.users import JobUser
from sidecar.errors import SlurmUnreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A program to run."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    """All of it: nothing is inherited."""
    timeout_seconds: float
    text: str = field(default="", repr=False)
    """For its standard input; it may be secret."""
    pass_fds: tuple[int, ...] = ()
    """File descriptors the program inherits beside the standard three."""
    outlives_timeout: bool = False
    """Whether the program is left to finish on its own after the timeout instead of being killed."""
    user: JobUser | None = None
    """Whom it runs as, where that is not this process's own user; only root can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a program said before it ended."""

    code: int
    """Exit code, or minus the number of the signal that killed it."""
    stdout: str = ""
    stderr: str = ""


class Run(Protocol):
    """Runs one call to its end."""

    def __call__(self, call: Call) -> Answer:
        """Run it.

        :raises SlurmUnreachable: it could not be started, or did not end in time
        """


def run(call: Call) -> Answer:
    """Run a program in a session of its own, so that signals meant for this program do not reach it.

    :raises SlurmUnreachable: it could not be started, or did not end in time
    """
    with _memory_file() as stdin, _memory_file() as stdout, _memory_file() as stderr:
        stdin.write(call.text.encode())
        stdin.seek(0)
        process = _start(call, stdin, stdout, stderr)
        # A thread waits, and not Popen.wait(timeout), which polls with sleeps of up to 50 ms; and a program that
        # outlives its timeout still has somebody who collects its exit status.
        reaper = threading.Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True)
        reaper.start()
        reaper.join(call.timeout_seconds)
        if process.returncode is None:
            raise _overdue(call, process.pid)
        return Answer(code=process.returncode, stdout=_text(stdout), stderr=_text(stderr))


def _start(call: Call, stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            call.argv,
            env=call.environment,
            cwd="/",  # sbatch fails in a directory that is gone
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=call.pass_fds,
            start_new_session=True,
            user=call.user.uid if call.user else None,
            group=call.user.gid if call.user else None,
            extra_groups=call.user.groups if call.user else None,
        )
    except OSError as error:
        raise SlurmUnreachable(f"{call.argv[0]} could not be started: {error.strerror}") from error


def _overdue(call: Call, pid: int) -> SlurmUnreachable:
    name = Path(call.argv[0]).name
    if call.outlives_timeout:
        return SlurmUnreachable(f"{name} has not answered within {call.timeout_seconds:g} s and still tries")
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    return SlurmUnreachable(f"{name} did not answer within {call.timeout_seconds:g} s and was stopped")


def _memory_file() -> BinaryIO:
    return os.fdopen(os.memfd_create("slurm-call"), "w+b")


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")
