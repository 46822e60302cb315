"""Slurm, as this program talks to it: one method per operation, exit codes decide, words are for people.

No method asks about one pod only: sites limit how often a user may ask the controller
(https://slurm.schedmd.com/slurm.conf.html, ``rl_enable``), so one call answers for all jobs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sidecar.domain.partitions import Partitions
from sidecar.domain.users import JobUser
from sidecar.errors import SlurmError, UnreadableSlurmOutput
from sidecar.slurm.accounting import ACCOUNT_FORMAT, JobAccount, parse_accounts
from sidecar.slurm.cluster import NODE_FORMAT, ClusterReading, parse_cluster
from sidecar.slurm.complaints import failure, refusal
from sidecar.slurm.parse import new_separator
from sidecar.slurm.process import Call, Run, run
from sidecar.slurm.queue import JobInQueue, parse_queue, queue_format

_JOB_ID = re.compile(r"[0-9]{1,18}(?:_[0-9]{1,18})?")
_SUBMITTED = re.compile(r"([0-9]+)(?:;[^\s;]+)?")
_SIGNAL = re.compile(r"[A-Z0-9]{1,12}")

_PASSED_ON = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TZ",
    "LD_LIBRARY_PATH",
    "SLURM_CONF",
    "SLURM_CONF_SERVER",
    "SLURM_JWT",
)
"""What Slurm's programs may see of our environment. Never ``SBATCH_*`` or ``SQUEUE_*``, which are options in disguise:
https://slurm.schedmd.com/sbatch.html, "INPUT ENVIRONMENT VARIABLES"."""

_IN_SECONDS = {"SLURM_TIME_FORMAT": "%s", "TZ": "UTC0"}
"""Moments are printed as seconds since 1970, and read as UTC."""

_MAX_LIST_BYTES = 100_000
"""How long a list of ids or names may be in one call: Linux takes at most 128 KiB in one argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Slurm's programs: paths, or names to be found on ``PATH``."""

    sbatch: str = "sbatch"
    scancel: str = "scancel"
    squeue: str = "squeue"
    sacct: str = "sacct"
    sinfo: str = "sinfo"


class SlurmClient:
    """Calls Slurm's programs.

    Every method may raise :class:`SlurmUnreachable` (no answer: change nothing, ask again later) and
    :class:`SlurmError` (an answer that is an error).
    """

    def __init__(
        self, programs: Programs, *, timeout_seconds: float, environ: Mapping[str, str], run: Run = run
    ) -> None:
        """Prepare a client.

        :param timeout_seconds: how long one call may take
        :param environ: this process's environment, of which a few variables are passed on
        """
        self._programs = programs
        self._timeout_seconds = timeout_seconds
        self._environment = {name: environ[name] for name in _PASSED_ON if name in environ} | {"LANG": "C"}
        self._run = run

    def sbatch(self, script: Path, *, lock_fd: int | None, user: JobUser | None = None) -> str:
        """Submit ``script`` and return the job id.

        sbatch goes on after a timeout, and after the end of this program: it may have been heard, and killing it
        would not tell. The lock that it inherits says until when it may still submit.

        :param lock_fd: a locked file descriptor; whoever gets that lock afterwards knows that sbatch has ended
        :param user: who submits it. Not ``--uid``: what root asks for Slurm grants, also where the pod's own flags
            ask for a priority or a partition that the user may not have, and root would read what the script's path
            has come to mean.
        :raises SlurmRefused: Slurm will not take this job; nothing was submitted
        :raises SlurmUnreachable: the job may have been submitted or not: wait for the lock, then look it up
        :raises UnreadableSlurmOutput: sbatch succeeded without an id: look the job up

        Source: https://slurm.schedmd.com/sbatch.html, ``--parsable`` (answers ``id`` or ``id;cluster``).
        """
        argv = [self._programs.sbatch, "--parsable", str(script.absolute())]
        answer = self._run(
            Call(
                argv=argv,
                environment=self._environment_of(user),
                timeout_seconds=self._timeout_seconds,
                user=user,
                pass_fds=() if lock_fd is None else (lock_fd,),
                outlives_timeout=True,
            )
        )
        if answer.code:
            raise refusal(argv[0], answer)
        return _parse_submitted(answer.stdout)

    def squeue(self, users: Iterable[int] = ()) -> list[JobInQueue]:
        """All jobs of ours that the controller knows, finished ones and each task of an array included.

        :param users: the Unix ids whose jobs are ours; empty: this process's own
        """
        listed = ",".join(map(str, users))
        whose = f"--user={listed}" if listed else "--me"
        separator = new_separator()
        options = ["--states=all", "--all", "--array", "--noheader", f"--format={queue_format(separator)}"]
        return parse_queue(self._ask(self._programs.squeue, whose, *options), separator)

    def sacct(self, job_ids: Sequence[str]) -> list[JobAccount]:
        """Every run of these jobs that accounting knows, also of earlier jobs that had the same ids.

        A job appears up to seconds after it was submitted or ended, so "not there" proves nothing.

        :raises AccountingDisabled: this cluster has none
        """
        checked = [_checked_id(job_id) for job_id in job_ids]
        return [account for ids in _portions(checked) for account in self._sacct(f"--jobs={ids}")]

    def sacct_by_name(self, names: Sequence[str], *, since: datetime) -> list[JobAccount]:
        """Every run of our jobs with these names that was not over before ``since``.

        sacct takes a comma for a separator, so a name with one is left out: it cannot be found.

        :param since: with a time zone
        :raises AccountingDisabled: this cluster has none
        """
        start = f"--starttime={since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
        askable = [name for name in names if name and "," not in name]
        return [account for some in _portions(askable) for account in self._sacct(f"--name={some}", start)]

    def scancel(
        self, job_id: str, *, signal: str | None = None, batch_only: bool = False, user: JobUser | None = None
    ) -> None:
        """Cancel a job, or only send it a signal; no error if it ended long ago or never was.

        Signals are for running jobs. For a waiting one scancel itself tries again for a minute, which ends here in
        :class:`SlurmUnreachable`; for one that ended it is a :class:`SlurmError`.

        :param signal: such as ``TERM``; ``None``: cancel
        :param batch_only: only the job's script gets it, not what the script started as steps
        :param user: whose job it is; Slurm refuses where it is another's

        Source: https://slurm.schedmd.com/scancel.html, ``--signal`` and ``--batch``.
        """
        options = ["--batch"] if batch_only else []
        if signal is not None:
            options.append(f"--signal={_checked_signal(signal)}")
        self._ask(self._programs.scancel, *options, _checked_id(job_id), user=user)

    def sinfo(self, partitions: Partitions | None = None) -> ClusterReading:
        """The capacity of the nodes that can run jobs, each counted once.

        :param partitions: whose nodes count; by default all
        """
        return parse_cluster(self._ask(self._programs.sinfo, "--Node", f"--format={NODE_FORMAT}"), partitions)

    def output_of(self, program: str) -> str:
        """What a program of the site prints; a non-zero exit is an error."""
        return self._ask(program)

    def version(self, program: str) -> str:
        """What one of Slurm's programs calls itself, such as ``slurm 24.05.4``."""
        return self._ask(program, "--version").strip()

    def _sacct(self, *selection: str) -> list[JobAccount]:
        separator = new_separator()
        options = ["--parsable", "--noheader", "--duplicates", "--noconvert"]
        shape = [f"--delimiter={separator}", f"--format={ACCOUNT_FORMAT}"]
        return parse_accounts(self._ask(self._programs.sacct, *selection, *options, *shape), separator)

    def _environment_of(self, user: JobUser | None) -> Mapping[str, str]:
        """What a program of another user sees: that user's home and name, and not our own key to Slurm."""
        if user is None:
            return self._environment
        others = {name: value for name, value in self._environment.items() if name != "SLURM_JWT"}
        return others | {"HOME": user.home, "USER": user.name, "LOGNAME": user.name}

    def _ask(self, program: str, *arguments: str, user: JobUser | None = None) -> str:
        answer = self._run(
            Call(
                argv=[program, *arguments],
                environment={**self._environment_of(user), **_IN_SECONDS},
                timeout_seconds=self._timeout_seconds,
                user=user,
            )
        )
        if answer.code:
            raise failure(program, answer)
        return answer.stdout


def _parse_submitted(text: str) -> str:
    last = text.strip().rpartition("\n")[2].strip()
    match = _SUBMITTED.fullmatch(last)
    if not match:
        raise UnreadableSlurmOutput(f"sbatch succeeded, but printed {last[:80]!r} instead of a job id")
    return match[1]


def _checked_id(job_id: str) -> str:
    if not _JOB_ID.fullmatch(job_id):
        raise SlurmError(f"{job_id[:40]!r} is not the id of a Slurm job; expected digits, or 123_4 for an array task")
    return job_id


def _checked_signal(signal: str) -> str:
    if not _SIGNAL.fullmatch(signal):
        raise SlurmError(f"{signal[:40]!r} is not a signal; expected a name such as TERM")
    return signal


def _portions(values: Sequence[str]) -> Iterator[str]:
    """Comma lists of all values, almost always one; none for no values, which sacct would take for "all jobs"."""
    portion: list[str] = []
    size = 0
    for value in values:
        size += len(value.encode()) + 1
        if portion and size > _MAX_LIST_BYTES:
            yield ",".join(portion)
            portion, size = [], len(value.encode()) + 1
        portion.append(value)
    if portion:
        yield ",".join(portion)
