"""From one look at Slurm and a job's report to what has happened to its pod."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sidecar.domain import events as ev
from sidecar.domain import observe
from sidecar.domain.events import Source
from sidecar.domain.observe import JobEvidence, Observation
from sidecar.domain.slurm_state import SlurmState
from sidecar.domain.state import PodState
from sidecar.reconciler.look import Accounting, Look, account_evidence, queue_evidence, usage
from sidecar.reconciler.reports import NewFacts

REPORT_PATIENCE = timedelta(seconds=10)
"""How long after a job's end its report may still arrive: network file systems show a file's growth late."""
LOST_AFTER = timedelta(minutes=2)
"""How long a job may be in neither squeue nor sacct before it counts as lost; sacct lags by seconds."""
USAGE_PATIENCE = timedelta(minutes=10)
"""How long after a job's end accounting may take to tell what it used."""


def conclude(state: PodState, look: Look, facts: NewFacts) -> list[Observation]:
    """What a pod's history lacks, given all that is known at this moment."""
    if state.phase.is_final:
        return _usage(state, look)
    if not state.is_settled:
        return []  # its submission is not over: there is no job to be missed
    job = look.queue.get(state.uid)
    if job is not None and not job.state.is_terminal:
        seen = queue_evidence(job, look.at)
        return observe.progress(state, seen, facts.settled) or _unreported(state, seen, look, facts)
    evidence = _end_evidence(state, look, facts)
    if evidence is None:
        return _missing(state, look, facts)
    if _may_still_report(state, evidence, look, facts):
        return observe.progress(state, None, facts.settled)
    return observe.ended(state, evidence, facts.all)


def _unreported(state: PodState, evidence: JobEvidence, look: Look, facts: NewFacts) -> list[Observation]:
    """Where the nodes do not share the data folder, Slurm's word that the job runs is all there is."""
    if facts.expected or look.at - (state.started_at or look.at) < REPORT_PATIENCE:
        return []
    return observe.assume_running(state, evidence)


def _end_evidence(state: PodState, look: Look, facts: NewFacts) -> JobEvidence | None:
    """The end of the job as accounting tells it (it has the exit code), else as the queue does."""
    account = look.accounts.get(state.uid)
    job = look.queue.get(state.uid)
    if account is not None and account.state.is_terminal:
        return _with_own_words(account_evidence(account, look.at), state, look, facts)
    if job is not None and job.state.is_terminal:
        return _with_own_words(queue_evidence(job, look.at), state, look, facts)
    return None


def _with_own_words(evidence: JobEvidence, state: PodState, look: Look, facts: NewFacts) -> JobEvidence:
    """With what the job itself says: sacct of 22.05 prints exit codes of 128 and more less 128, squeue none."""
    if facts.expected:
        evidence = replace(evidence, last_words=look.last_words.get(state.uid, ""))
    if evidence.state is SlurmState.FAILED and not evidence.signal and facts.finished_code:
        return replace(evidence, exit_code=facts.finished_code)
    return evidence


def _may_still_report(state: PodState, evidence: JobEvidence, look: Look, facts: NewFacts) -> bool:
    """Whether to wait for what the job or accounting still has to say."""
    has_run = bool(evidence.started_at and evidence.nodes)  # a job cancelled in the queue has a start time, but no node
    if facts.finished_code is not None:
        return False
    if not has_run or not facts.expected or observe.is_complete(state, facts.all):
        return False
    return look.at - (evidence.ended_at or look.at) < REPORT_PATIENCE


def _missing(state: PodState, look: Look, facts: NewFacts) -> list[Observation]:
    """Neither queue nor accounting tells the end: the report may, otherwise time does."""
    if facts.finished_code is not None:
        evidence = _with_own_words(_report_evidence(state, look, facts.finished_code), state, look, facts)
        return observe.ended(state, evidence, facts.all)
    if look.accounting is Accounting.FAILED:
        return observe.progress(state, None, facts.settled)  # unknown is not gone
    detail = f"Slurm's queue no longer has job {state.job_id}, and neither accounting nor the job says how it ended"
    progress = observe.progress(state, None, facts.settled)
    if state.missing_since is None:
        missing = ev.EvidenceMissing(detail=detail)
        return [*progress, Observation(event=missing, at=look.at, source=Source.SQUEUE)]
    if look.at - state.missing_since < LOST_AFTER:
        return progress
    return observe.lost(state, look.at, detail)


def _report_evidence(state: PodState, look: Look, code: int) -> JobEvidence:
    return JobEvidence(
        job_id=state.job_id,
        state=SlurmState.FAILED if code else SlurmState.COMPLETED,
        source=Source.REPORT,
        observed_at=look.at,
        exit_code=code,
    )


def _usage(state: PodState, look: Look) -> list[Observation]:
    if state.usage_recorded or not state.job_id:
        return []
    account = look.accounts.get(state.uid)
    if account is not None and account.state.is_terminal:
        return [Observation(event=usage(account), at=look.at, source=Source.SACCT)]
    overdue = look.at - (state.finished_at or look.at) > USAGE_PATIENCE
    if look.accounting is Accounting.DISABLED or (overdue and look.accounting is Accounting.ANSWERED):
        return [Observation(event=ev.JobUsageRecorded(), at=look.at, source=Source.SACCT)]
    return []
