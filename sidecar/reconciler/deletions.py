"""Carrying deletions through: stop the job, with the pod's grace period, then remove its files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog

from sidecar.domain import events as ev
from sidecar.domain.events import Source
from sidecar.domain.lifecycle import Phase
from sidecar.domain.state import PodState
from sidecar.errors import JobFilesError, SlurmError
from sidecar.history import History
from sidecar.pod_files import directory
from sidecar.pod_files.paths import PodDirectory
from sidecar.slurm.client import SlurmClient
from sidecar.submission import Submitter

log = structlog.get_logger(__name__)

SLACK = timedelta(seconds=10)
"""How long after the grace period the job itself may take to kill what is left."""
ASK_AGAIN = timedelta(seconds=60)
"""When to cancel once more a job that is still there."""
TERM, CANCEL = "TERM", "CANCEL"


class Deletions:
    """What is still to be done for deleted pods."""

    def __init__(self, history: History, slurm: SlurmClient, submitter: Submitter) -> None:
        self._history = history
        self._slurm = slurm
        self._submitter = submitter

    def forbid_start(self, pods: Iterable[PodState]) -> list[PodState]:
        """Mark the directories of deleted pods whose job is not known, so that none starts them any more.

        :return: the pods without those that could not be marked, about which nothing can be decided yet
        """
        return [pod for pod in pods if not pod.is_deleted or self._marked(pod)]

    def _marked(self, pod: PodState) -> bool:
        try:
            directory.mark_deleted(self._directory(pod))
        except JobFilesError as error:
            log.warning("deletion waits", pod_uid=pod.uid, reason=str(error))
            return False
        return True

    def carry_on(self, pods: Iterable[PodState], now: datetime) -> None:
        """Do the next step for each deleted pod."""
        for pod in pods:
            if not pod.is_deleted:
                continue
            if pod.phase.is_final:
                self._remove_files(pod)
            elif pod.job_id:
                self._stop(pod, now)

    def _stop(self, pod: PodState, now: datetime) -> None:
        order = next_order(pod, now)
        if order is None:
            return
        self._set_grace(pod)
        try:
            user = self._submitter.user_of(pod)
            if order == TERM:
                self._slurm.scancel(pod.job_id, signal=TERM, batch_only=True, user=user)
            else:
                self._slurm.scancel(pod.job_id, user=user)
        except SlurmError as error:
            log.warning("cancellation failed, will be tried again", pod_uid=pod.uid, reason=str(error))
            return
        log.info("cancellation sent", pod_uid=pod.uid, job_id=pod.job_id, signal=order)
        self._history.change(
            pod.uid,
            lambda state: (
                []
                if state.phase.is_final
                else [self._history.observed(ev.CancellationSent(signal=order), Source.SIDECAR)]
            ),
        )

    def _set_grace(self, pod: PodState) -> None:
        """Whatever the job has done to its directory, it is stopped all the same, then with the pod's own period."""
        try:
            directory.set_grace(self._directory(pod), pod.deletion_grace_seconds or 0)
        except JobFilesError as error:
            log.warning("a deletion's grace period cannot be told to the job", pod_uid=pod.uid, reason=str(error))

    def _remove_files(self, pod: PodState) -> None:
        if pod.files_removed:
            return
        try:
            directory.remove(self._directory(pod))
        except JobFilesError as error:
            log.warning("files of a deleted pod cannot be removed yet", pod_uid=pod.uid, reason=str(error))
            return
        self._history.record(pod.uid, ev.FilesRemoved(), Source.SIDECAR)

    def _directory(self, pod: PodState) -> PodDirectory:
        return self._submitter.directory_of(pod)


def next_order(pod: PodState, now: datetime) -> str | None:
    """What to tell Slurm now: a signal that lets the job end by itself, the end of it, or nothing.

    A running job gets TERM and its grace period; ``scancel`` alone gives only Slurm's KillWait, 30 seconds.
    Source: https://slurm.schedmd.com/scancel.html
    """
    grace = timedelta(seconds=pod.deletion_grace_seconds or 0)
    if pod.cancellation_sent_at is None:
        return TERM if pod.phase is Phase.RUNNING else CANCEL
    waited = now - pod.cancellation_sent_at
    patience = grace + SLACK if pod.cancellation_signal == TERM else ASK_AGAIN
    return CANCEL if waited > patience else None
