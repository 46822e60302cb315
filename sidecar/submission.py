"""Exactly one Slurm job per pod, whatever crashes when.

A submission's token is stored before sbatch is called and is in the job's comment. sbatch inherits a lock: as long as
it may still submit, nobody else decides about the pod. Whoever gets the lock afterwards looks the token up in Slurm's
queue, in its accounting and in the claim file of the pod's directory: a job that is found is adopted, and only where
none is found is the script submitted again. Should there be two in spite of all, the job's claim lets one run, and
the other is cancelled here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from sidecar.domain import events as ev
from sidecar.domain.events import Event, Source
from sidecar.domain.observe import Observation
from sidecar.domain.state import PodState
from sidecar.domain.users import JobUser
from sidecar.errors import (
    AccountingDisabled,
    SlurmError,
    SlurmRefused,
    SlurmUnreachable,
    UnknownUser,
    UnreadableSlurmOutput,
)
from sidecar.health import Monitor
from sidecar.history import History
from sidecar.job_output import report
from sidecar.locks import SubmissionLocks
from sidecar.pod_files.paths import PodDirectory
from sidecar.slurm.client import SlurmClient
from sidecar.slurm.queue import JobInQueue
from sidecar.system import users

log = structlog.get_logger(__name__)

COMMENT_PREFIX = "slurm-sidecar"
"""Begins the comment of every job of ours: ``slurm-sidecar:<pod uid>:<token>``."""
_UNHEARD = (SlurmUnreachable, UnreadableSlurmOutput)


def new_token() -> str:
    """A name for one submission that nobody can guess."""
    return secrets.token_hex(6)


def comment_of(uid: str, token: str) -> str:
    """The comment of a submission's job."""
    return f"{COMMENT_PREFIX}:{uid}:{token}"


def is_of_user(uid: int | None, state: PodState) -> bool:
    """Whether a job of this user can be the pod's: comments and directories can be read and used by anybody."""
    return state.run_as_user in (None, uid)


@dataclass(slots=True)
class Survey:
    """What Slurm says about submissions whose outcome is not stored."""

    queue: Sequence[JobInQueue]
    accounted: Mapping[str, list[str]] = field(default_factory=dict)
    """Ids of jobs that accounting knows, by pod UID."""
    accounting_answered: bool = True


class Submitter:
    """Hands scripts to Slurm and finds out what became of interrupted attempts."""

    def __init__(
        self,
        history: History,
        slurm: SlurmClient,
        locks: SubmissionLocks,
        *,
        data_root: Path,
        shared_fs: bool,
        own_uid: int,
        monitor: Monitor,
    ) -> None:
        """
        :param own_uid: the user the daemon runs as
        """
        self._history = history
        self._slurm = slurm
        self._locks = locks
        self._data_root = data_root
        self._shared_fs = shared_fs
        self._own_uid = own_uid
        self._monitor = monitor

    def directory_of(self, state: PodState) -> PodDirectory:
        """Where the pod's files are."""
        return PodDirectory.of(self._data_root, namespace=state.namespace, uid=state.uid)

    def claimed_by(self, state: PodState) -> str:
        """The id of the job that has claimed the pod's directory, or ``""``."""
        return report.claimed_by(self.directory_of(state))

    def user_of(self, state: PodState) -> JobUser | None:
        """Who calls sbatch and scancel for the pod, where that is not the daemon's own user.

        :raises SlurmUnreachable: the machine does not know that user, for now
        """
        try:
            return users.other_than(self._own_uid, state.run_as_user, state.run_as_group)
        except UnknownUser as error:
            raise SlurmUnreachable(str(error)) from error

    def first(self, uid: str, accept: Callable[[], PodState]) -> PodState:
        """Store a new pod and submit it, under the lock from before it is stored.

        :param accept: writes the pod's files and begins its history
        :raises SlurmRefused: Slurm will not take the job; that is in the pod's history
        :raises SlurmUnreachable: another sbatch for this pod is still running
        """
        descriptor = self._locks.try_acquire(uid)
        if descriptor is None:
            raise SlurmUnreachable(f"an earlier submission of pod {uid} is still running; try again")
        state: PodState | None = None
        try:
            state = accept()
            trouble = self._monitor.slurm_trouble
            # No need to wait for another timeout: the reconciler submits it as soon as Slurm answers again.
            state = self._defer(uid, trouble) if trouble else self._submit(state, descriptor)
        finally:
            self._locks.release(uid, descriptor, settled=state is not None and state.is_settled)
        return _accepted(state)

    def recover(self, pending: Iterable[PodState]) -> list[PodState]:
        """Settle submissions whose outcome is not stored; those that cannot be settled yet stay as they are.

        :raises SlurmUnreachable: Slurm's queue cannot be read; nothing was changed
        """
        with ExitStack() as stack:
            held: dict[str, int] = {}
            for state in pending:
                descriptor = self._locks.try_acquire(state.uid)
                if descriptor is not None:
                    held[state.uid] = descriptor
                    stack.callback(self._locks.release, state.uid, descriptor, settled=False)
            # Only now: what an sbatch did before we had its lock is in the queue we read after it.
            states = [s for s in self._history.get_many(list(held)).values() if not s.is_settled]
            return self._settle_all(states, held) if states else []

    def _settle_all(self, states: Sequence[PodState], held: Mapping[str, int]) -> list[PodState]:
        survey = self._survey(states)
        settled = []
        for state in states:
            after = self._settle(state, survey, held[state.uid])
            settled.append(after)
            if not after.is_settled and survey.accounting_answered:
                break  # sbatch did not answer: one timeout a look is enough
        return settled

    def _survey(self, states: Sequence[PodState]) -> Survey:
        survey = Survey(queue=self._slurm.squeue(users_of(states)))
        unseen = [state for state in states if not _in_queue(survey, state, self.directory_of(state))]
        if unseen:
            self._ask_accounting(survey, unseen)
        return survey

    def _ask_accounting(self, survey: Survey, states: Sequence[PodState]) -> None:
        since = min(state.submission_started_at or state.accepted_at for state in states)
        try:
            accounts = self._slurm.sacct_by_name([state.job_name for state in states], since=since)
        except AccountingDisabled:
            return
        except SlurmError as error:
            survey.accounting_answered = False
            log.warning("accounting did not answer", reason=str(error))
            return
        survey.accounted = {
            state.uid: [
                a.job_id for a in accounts if a.work_dir == self.directory_of(state).root and is_of_user(a.uid, state)
            ]
            for state in states
        }

    def _settle(self, state: PodState, survey: Survey, descriptor: int) -> PodState:
        found = self._found(state, survey)
        if found:
            return self._adopt(state, found)
        if state.is_deleted:
            return self._history.change(state.uid, self._never_ran)
        if not survey.accounting_answered and not self._shared_fs:
            return state  # without claims, only accounting can tell whether the job has run and gone
        return self._submit(state, descriptor)

    def _found(self, state: PodState, survey: Survey) -> dict[str, str]:
        """Ids of the submission's jobs, best first, each with the evidence."""
        directory = self.directory_of(state)
        claimed = self.claimed_by(state)
        found = {claimed: "claim"} if claimed else {}
        found |= dict.fromkeys(_in_queue(survey, state, directory), "squeue")
        found |= {job_id: "sacct" for job_id in survey.accounted.get(state.uid, []) if job_id not in found}
        return found

    def _adopt(self, state: PodState, found: Mapping[str, str]) -> PodState:
        (job_id, evidence), *surplus = found.items()
        adopted = self._history.record(state.uid, ev.JobAdopted(job_id=job_id, evidence=evidence), Source.SIDECAR)
        log.info("job adopted", pod_uid=state.uid, job_id=job_id, evidence=evidence)
        for other, _ in surplus:
            self._slurm.scancel(other, user=self.user_of(state))
            self._history.record(state.uid, ev.SurplusJobCancelled(job_id=other), Source.SIDECAR)
            log.warning("surplus job cancelled", pod_uid=state.uid, job_id=other)
        return adopted

    def _never_ran(self, state: PodState) -> list[Observation]:
        """A pod that was deleted before Slurm had it."""
        message = "deleted before Slurm had a job of it"
        ends: list[Event] = [
            ev.ContainerTerminated(
                container=c.name, attempt=c.attempt, exit_code=143, reason="Cancelled", message=message
            )
            for c in state.containers
        ]
        final = ev.JobCancelled(slurm_state="", reason="Cancelled", message=message)
        return [self._history.observed(event, Source.SIDECAR) for event in (*ends, final)]

    def _submit(self, state: PodState, descriptor: int) -> PodState:
        script = self.directory_of(state).script
        try:
            job_id = self._slurm.sbatch(script, lock_fd=descriptor, user=self.user_of(state))
        except SlurmRefused as error:
            return self._history.record(state.uid, ev.SubmissionFailed(reason=str(error)), Source.SBATCH)
        except _UNHEARD as error:
            log.warning("submission deferred", pod_uid=state.uid, reason=str(error))
            return self._defer(state.uid, str(error))
        log.info("job submitted", pod_uid=state.uid, job_id=job_id)
        return self._history.record(state.uid, ev.JobSubmitted(job_id=job_id), Source.SBATCH)

    def _defer(self, uid: str, reason: str) -> PodState:
        def decide(state: PodState) -> list[Observation]:
            if state.message == reason:
                return []  # said once is enough, however often it is tried
            return [self._history.observed(ev.SubmissionDeferred(reason=reason), Source.SBATCH)]

        return self._history.change(uid, decide)


def users_of(states: Iterable[PodState]) -> list[int]:
    """Whose jobs these pods' are, for squeue; empty: the daemon's own."""
    ids = {state.run_as_user for state in states}
    return sorted(uid for uid in ids if uid is not None)


def _accepted(state: PodState) -> PodState:
    """The state, unless it is a refusal.

    :raises SlurmRefused: with sbatch's own words
    """
    if state.reason == "SubmissionFailed":
        raise SlurmRefused(state.message)
    return state


def _in_queue(survey: Survey, state: PodState, directory: PodDirectory) -> list[str]:
    """Ids of the submission's jobs in the queue: running ones first, then by age."""
    comment = comment_of(state.uid, state.token)
    ours = [
        job
        for job in survey.queue
        if (job.comment == comment or job.work_dir == directory.root) and is_of_user(job.uid, state)
    ]
    ours.sort(key=lambda job: (not job.state.is_active, job.state.is_terminal, job.submitted_at is None, job.job_id))
    return [job.job_id for job in ours]
