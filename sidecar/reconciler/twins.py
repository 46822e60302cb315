"""Two jobs of one pod, which a controller that answers late can leave behind: one runs, the other must go.

Only the job that has claimed the pod's directory runs anything. If that is not the one on record, it becomes the one
on record; any other job that carries the pod's mark is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from sidecar.domain import events as ev
from sidecar.domain.events import Source
from sidecar.domain.state import PodState
from sidecar.errors import SlurmError
from sidecar.history import History
from sidecar.slurm.client import SlurmClient
from sidecar.slurm.queue import JobInQueue
from sidecar.submission import Submitter

log = structlog.get_logger(__name__)


class Twins:
    """Finds them and leaves one."""

    def __init__(self, history: History, slurm: SlurmClient, submitter: Submitter) -> None:
        self._history = history
        self._slurm = slurm
        self._submitter = submitter

    def settle(self, pod: PodState, others: Iterable[JobInQueue], *, ended: bool) -> PodState:
        """Follow the job that has the claim, and cancel the others.

        :param others: jobs in the queue that carry the pod's mark and are not the one on record
        :param ended: the job on record has left or is leaving Slurm, so its claim is worth a look
        """
        rest = list(others)
        claimant = self._submitter.claimed_by(pod) if rest or ended else ""
        if claimant and claimant != pod.job_id and not pod.phase.is_final:
            pod = self._follow(pod, claimant)
        self._cancel(pod, [job for job in rest if job.job_id != claimant and not job.state.is_terminal])
        return pod

    def _follow(self, pod: PodState, claimant: str) -> PodState:
        log.warning("another job runs this pod", pod_uid=pod.uid, job_id=claimant, on_record=pod.job_id)
        adopted = ev.JobAdopted(job_id=claimant, evidence="claim")
        return self._history.record(pod.uid, adopted, Source.SIDECAR)

    def _cancel(self, pod: PodState, surplus: Sequence[JobInQueue]) -> None:
        for job in surplus:
            try:
                self._slurm.scancel(job.job_id, user=self._submitter.user_of(pod))
            except SlurmError as error:
                log.warning("surplus job not cancelled yet", pod_uid=pod.uid, job_id=job.job_id, reason=str(error))
                continue
            log.warning("surplus job cancelled", pod_uid=pod.uid, job_id=job.job_id)
            self._history.record(pod.uid, ev.SurplusJobCancelled(job_id=job.job_id), Source.SIDECAR)
