"""The loop: when to look at what, and what to do about errors."""

from __future__ import annotations

import random
import threading
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic

import structlog

from sidecar.cluster import Cluster
from sidecar.domain import observe
from sidecar.domain.lifecycle import Phase
from sidecar.domain.observe import Observation
from sidecar.domain.projection import fold
from sidecar.domain.state import PodState
from sidecar.errors import IllegalTransition, SidecarError
from sidecar.health import Health, Monitor
from sidecar.history import Decide, History
from sidecar.reconciler.conclusions import conclude
from sidecar.reconciler.deletions import Deletions
from sidecar.reconciler.listening import Listener
from sidecar.reconciler.look import Look, take
from sidecar.reconciler.reports import NewFacts, Reports
from sidecar.reconciler.twins import Twins
from sidecar.slurm.client import SlurmClient
from sidecar.submission import Submitter

log = structlog.get_logger(__name__)

REPORT_INTERVAL_SECONDS = 1.0
MAX_REPORTS_IN_TURN = 64
"""How many reports of quiet pods are read with each look at Slurm, in case that a bell was lost."""
CLUSTER_INTERVAL = timedelta(seconds=60)
LONGEST_PAUSE_SECONDS = 60.0

Conclusion = Callable[[PodState, NewFacts], list[Observation]]


class Reconciler:
    """Runs in one thread of its own."""

    def __init__(
        self,
        *,
        history: History,
        slurm: SlurmClient,
        submitter: Submitter,
        cluster: Cluster,
        listener: Listener | None,
        interval_seconds: float,
        monitor: Monitor,
        now: Callable[[], datetime],
    ) -> None:
        """
        :param listener: ``None``: the nodes do not share the folder, so no report is expected between two looks
        """
        self._history = history
        self._slurm = slurm
        self._submitter = submitter
        self._cluster = cluster
        self._interval_seconds = interval_seconds
        self._now = now
        self._listener = listener
        self._reports = Reports(submitter.directory_of, shared_fs=listener is not None)
        self._deletions = Deletions(history, slurm, submitter)
        self._twins = Twins(history, slurm, submitter)
        self._monitor = monitor
        self._wake = threading.Event()
        self._stopping = False
        self._cluster_due: datetime | None = None
        self._last_in_turn = ""

    def wake(self) -> None:
        """Look at Slurm now and not only at the next interval."""
        self._wake.set()

    def stop(self) -> None:
        """End :meth:`run` soon."""
        self._stopping = True
        self._wake.set()

    def run(self) -> None:
        """Reconcile until stopped; no error ends it."""
        while not self._stopping:
            self._wake.clear()
            self._attempt()
            self._follow_reports(until=monotonic() + self._pause_seconds())

    def _attempt(self) -> None:
        try:
            self.reconcile_once()
        except SidecarError as error:
            self._failed(str(error))
            log.warning("reconciliation failed", reason=str(error), failures=self._monitor.health.failures_in_a_row)
        except Exception as error:  # the last stop: a bug must not end the only thread that sees to jobs
            self._failed(f"internal error: {type(error).__name__}")
            log.exception("reconciliation failed")

    def _failed(self, reason: str) -> None:
        health = self._monitor.health
        self._monitor.health = replace(health, failures_in_a_row=health.failures_in_a_row + 1, error=reason)

    def _pause_seconds(self) -> float:
        failures = min(self._monitor.health.failures_in_a_row, 10)
        if not failures:
            return self._interval_seconds
        longest: float = min(self._interval_seconds * 2**failures, LONGEST_PAUSE_SECONDS)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing

    def _follow_reports(self, *, until: float) -> None:
        """Between two looks at Slurm: take in what jobs report, and go back to Slurm when one has ended."""
        while not self._stopping:
            rest = until - monotonic()
            if rest <= 0 or self._wake.wait(min(rest, REPORT_INTERVAL_SECONDS)):
                return
            try:
                if self.read_news():
                    return
            except SidecarError as error:
                log.warning("reports could not be taken in", reason=str(error))

    def reconcile_once(self) -> None:
        """One complete look at everything. What a bell has not told is found here, see :meth:`_worth_reading`.

        :raises SlurmUnreachable: Slurm's queue cannot be read; nothing was changed
        :raises StoreError: the database cannot be written
        """
        self._refresh_cluster()
        pods = self._open_pods()
        look = take(self._slurm, pods, self._submitter.directory_of, now=self._now())
        pods = [self._without_twins(pod, look) for pod in pods]
        reading = self._worth_reading(pods, look)
        pods = self._take_in(pods, lambda pod, facts: conclude(pod, look, facts), reading)
        self._deletions.carry_on(pods, self._now())
        self._settle([pod for pod in pods if not pod.is_settled])
        self._monitor.health = Health(last_success_at=self._now(), orphan_job_ids=self._orphans(look))

    def _worth_reading(self, pods: Sequence[PodState], look: Look) -> set[str]:
        """The pods whose reports may have news: those whose jobs have moved, and some of the others in turns.

        So the cost of a look does not grow with pods that have nothing to tell.
        """
        may_report = [pod for pod in pods if _may_report(pod)]
        if self._listener is None:
            return {pod.uid for pod in may_report}
        quiet = [pod.uid for pod in may_report if _is_as_known(pod, look)]
        in_turn = _next_after(self._last_in_turn, sorted(quiet), MAX_REPORTS_IN_TURN)
        self._last_in_turn = in_turn[-1] if in_turn else ""
        return {pod.uid for pod in may_report} - set(quiet) | set(in_turn)

    def _without_twins(self, pod: PodState, look: Look) -> PodState:
        job = look.queue.get(pod.uid)
        ended = not pod.phase.is_final and bool(pod.job_id) and (job is None or job.state.is_terminal)
        others = [other for other in look.marked.get(pod.uid, ()) if other.job_id != pod.job_id]
        return self._twins.settle(pod, others, ended=ended) if pod.job_id else pod

    def _refresh_cluster(self) -> None:
        now = self._now()
        if self._cluster_due is None or now >= self._cluster_due:
            self._cluster_due = now + CLUSTER_INTERVAL
            self._cluster.refresh()

    def _settle(self, pending: Sequence[PodState]) -> None:
        """Find out about submissions whose outcome is not stored; last, because sbatch may take its time."""
        if not pending:
            return
        if any(pod.is_settled for pod in self._submitter.recover(self._deletions.forbid_start(pending))):
            self.wake()

    def read_news(self) -> bool:
        """Take in what jobs have rung for. A second in which nobody rings costs the same however many pods there are.

        :return: whether a job says that it has ended
        """
        if self._listener is None:
            return False
        if self._history.has_new_pods.is_set():
            self._open_pods()
        due = self._listener.due()
        uids = due | self._reports.unfinished()
        if not uids:
            return False
        states = self._history.get_many(sorted(uids))
        pods = [pod for pod in states.values() if _may_report(pod)]
        before = {pod.uid: self._reports.offset(pod.uid) for pod in pods}
        has_ended = self._take_in_progress(pods)
        without_news = {uid for uid, offset in before.items() if self._reports.offset(uid) == offset}
        too_early = {pod.uid for pod in states.values() if not pod.is_settled}  # the job is faster than sbatch's answer
        self._listener.heard(due - too_early, without_news=without_news)
        return has_ended

    def read_reports(self) -> bool:
        """Take in what all jobs have reported since the last time.

        :return: whether one of them says that it has ended
        """
        return self._take_in_progress([pod for pod in self._open_pods() if _may_report(pod)])

    def _open_pods(self) -> list[PodState]:
        self._history.has_new_pods.clear()
        pods = self._history.open_pods()
        if self._listener is not None:
            self._listener.watch(pod for pod in pods if not pod.phase.is_final)
        return pods

    def _take_in_progress(self, pods: Sequence[PodState]) -> bool:
        has_ended = False

        def progress(pod: PodState, facts: NewFacts) -> list[Observation]:
            nonlocal has_ended
            has_ended = has_ended or facts.asks_for_a_look
            return observe.progress(pod, None, facts.settled)

        self._take_in(pods, progress, {pod.uid for pod in pods})
        return has_ended

    def _take_in(self, pods: Sequence[PodState], conclusion: Conclusion, reading: Collection[str]) -> list[PodState]:
        """Store what is new about these pods, in one transaction, and return their states afterwards.

        :param reading: UIDs of those whose reports are read
        """
        facts = {pod.uid: self._facts(pod, is_read=pod.uid in reading) for pod in pods}
        decisions: Mapping[str, Decide] = {
            pod.uid: _deciding(conclusion, facts[pod.uid]) for pod in pods if _has_news(pod, conclusion, facts[pod.uid])
        }
        changed = self._history.change_many(decisions)
        states = [changed.get(pod.uid, pod) for pod in pods]
        for state in states:
            if state.phase.is_final:
                self._reports.forget(state.uid)
            elif _may_report(state):
                self._reports.taken_in(state.uid, facts[state.uid])
        return states

    def _facts(self, pod: PodState, *, is_read: bool) -> NewFacts:
        if not _may_report(pod):
            return NewFacts()
        return self._reports.read(pod) if is_read else self._reports.known(pod)

    def _orphans(self, look: Look) -> tuple[str, ...]:
        known = self._history.get_many(sorted(look.marked))
        return tuple(sorted(job.job_id for uid, jobs in look.marked.items() if uid not in known for job in jobs))


def _is_as_known(pod: PodState, look: Look) -> bool:
    """Whether Slurm says of the job what is on record."""
    job = look.queue.get(pod.uid)
    if job is None or job.state.is_terminal:
        return False
    return job.state.is_waiting if pod.phase is Phase.SUBMITTED else job.state.is_active


def _next_after(last: str, uids: Sequence[str], count: int) -> list[str]:
    """So many of these sorted UIDs, beginning after the last one of the time before."""
    start = bisect_right(uids, last)
    return [*uids[start:], *uids[:start]][:count]


def _has_news(pod: PodState, conclusion: Conclusion, facts: NewFacts) -> bool:
    """Whether there is something to store; a pod whose evidence makes no sense must not hide the others."""
    news = conclusion(pod, facts)
    try:
        fold(pod.uid, ((item.event, item.at) for item in news), pod)
    except IllegalTransition as error:
        log.warning("evidence that does not fit the pod is left aside", pod_uid=pod.uid, reason=str(error))
        return False
    return bool(news)


def _deciding(conclusion: Conclusion, facts: NewFacts) -> Decide:
    return lambda state: conclusion(state, facts)


def _may_report(pod: PodState) -> bool:
    return pod.phase in (Phase.SUBMITTED, Phase.RUNNING)
