"""What evidence about a job means for its pod: events, or nothing where it is no news.

Evidence is compared with the pod's state, so reading the same evidence twice is harmless: after a restart
everything is simply read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sidecar.domain import events as ev
from sidecar.domain.events import Source
from sidecar.domain.lifecycle import Phase
from sidecar.domain.pod import ContainerRole
from sidecar.domain.projection import apply
from sidecar.domain.slurm_state import SlurmState
from sidecar.domain.state import ContainerState, ContainerStatus, PodState


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """An event together with when it happened and who told us."""

    event: ev.Event
    at: datetime
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvidence:
    """What squeue or sacct says about one job."""

    job_id: str
    state: SlurmState
    source: Source
    observed_at: datetime
    reason: str = ""
    nodes: str = ""
    exit_code: int = 0
    signal: int = 0
    time_limit: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    last_words: str | None = None
    """Of the job's own output; ``None`` where jobs cannot report, so that nobody knows whether a container has run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a Slurm state means for a container that did not report its own end."""

    exit_code: int
    reason: str
    message: str = ""


KILLED = frozenset({137, 143})
"""Codes of a container ended by SIGKILL or SIGTERM, which Slurm's verdict explains better than the code does."""


def job(state: PodState, evidence: JobEvidence) -> list[Observation]:
    """News from Slurm's queue about a job that has not ended."""
    at = evidence.started_at or evidence.observed_at
    is_back = state.missing_since is not None
    if evidence.state.is_waiting:
        if state.phase is Phase.SUBMITTED and evidence.reason in ("", state.reason) and not is_back:
            return []
        queued = ev.JobQueued(reason=evidence.reason)
        return [Observation(event=queued, at=evidence.observed_at, source=evidence.source)]
    if evidence.state.is_active and (state.phase is Phase.SUBMITTED or is_back):
        return [Observation(event=ev.JobStarted(nodes=evidence.nodes), at=at, source=evidence.source)]
    return []


def report(state: PodState, facts: Iterable[tuple[ev.Event, datetime]]) -> list[Observation]:
    """News from the job's own report; facts that the state already holds are skipped."""
    news = []
    for fact, at in facts:
        event = _past_deadline(state, fact)
        if _is_news(state, event):
            news.append(Observation(event=event, at=at, source=Source.REPORT))
            state = apply(state, event, at)
    return news


def progress(
    state: PodState, evidence: JobEvidence | None, facts: Iterable[tuple[ev.Event, datetime]]
) -> list[Observation]:
    """News about a job that has not ended: first Slurm's, then the report's."""
    news = [] if evidence is None else job(state, evidence)
    return [*news, *report(_after(state, news), facts)]


def assume_running(state: PodState, evidence: JobEvidence) -> list[Observation]:
    """The containers of a running job that cannot report: they run as far as anybody can tell.

    Not with init containers, of which nobody can tell which one is at work.
    """
    has_init = any(c.role is not ContainerRole.MAIN for c in state.containers)
    if state.phase is not Phase.RUNNING or has_init:
        return []
    return [
        Observation(
            event=ev.ContainerStarted(container=c.name, attempt=c.attempt),
            at=state.started_at or evidence.observed_at,
            source=evidence.source,
        )
        for c in state.containers
        if c.status is ContainerStatus.WAITING
    ]


def _is_news(state: PodState, event: ev.Event) -> bool:
    if isinstance(event, ev.JobStarted):
        return state.phase is Phase.SUBMITTED
    if state.phase is not Phase.RUNNING:
        return False
    if isinstance(event, ev.DeadlineExceeded):
        return state.deadline_seconds is None
    container = state.container(getattr(event, "container", ""))
    return container is not None and _is_news_of(container, event)


def _is_news_of(container: ContainerState, event: ev.Event) -> bool:
    is_news = False
    match event:
        case ev.ImagePullFailed():
            is_news = _is_before_start(container, event.attempt) and not container.image_failed
        case ev.ImagePullBackOff():
            is_news = _is_before_start(container, event.attempt) and event.tries > container.pull_tries
        case ev.ContainerStarted():
            is_news = _is_before_start(container, event.attempt)
        case ev.ContainerHealthChanged():
            known = (container.started, container.ready)
            is_news = _is_under_way(container, event.attempt) and known != (event.started, event.ready)
        case ev.ContainerUnhealthy():
            is_news = _is_under_way(container, event.attempt) and not container.unhealthy
        case ev.ContainerTerminated():
            is_news = container.termination is None and event.attempt == container.attempt
        case ev.ContainerRestarting():
            is_news = event.attempt == container.attempt + 1
    return is_news


def _past_deadline(state: PodState, event: ev.Event) -> ev.Event:
    """A container that ended because the pod's time was up has failed, whatever it says itself.

    Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-termination-and-cleanup
    """
    if state.deadline_seconds is None or not isinstance(event, ev.ContainerTerminated):
        return event
    why = _overdue(state)
    message = event.message if event.exit_code else f"{why}; it ended with exit code 0"
    return replace(event, exit_code=event.exit_code or 143, reason="DeadlineExceeded", message=message or why)


def _overdue(state: PodState) -> str:
    return f"the pod ran longer than its activeDeadlineSeconds ({state.deadline_seconds})"


def _is_under_way(container: ContainerState, attempt: int) -> bool:
    return container.status is ContainerStatus.RUNNING and attempt == container.attempt


def _is_before_start(container: ContainerState, attempt: int) -> bool:
    return container.status is ContainerStatus.WAITING and attempt == container.attempt


def ended(state: PodState, evidence: JobEvidence, facts: Iterable[tuple[ev.Event, datetime]] = ()) -> list[Observation]:
    """The end of a job: the last facts of its report, every container's end, and the verdict.

    :param facts: what the report says that is not yet in ``state``; kills in it carry Slurm's reason
    """
    verdict = _verdict(state, evidence)
    news = list(_start_if_missed(state, evidence))
    state = _after(state, news)
    explained = [(_explain(event, verdict), when) for event, when in facts]
    reported = report(state, explained)
    state = _after(state, reported)
    if not has_begun(state) and evidence.last_words is not None:
        verdict = _before_containers(verdict, evidence.last_words)
    # Slurm's times have no fractions: a job does not end before the last thing that it reported.
    at = max([evidence.ended_at or evidence.observed_at, *_container_ends(state)])
    closing = [Observation(event=event, at=at, source=evidence.source) for event in _close(state, verdict)]
    state = _after(state, closing)
    final = Observation(event=_final(state, evidence, verdict), at=at, source=evidence.source)
    return [*news, *reported, *closing, final]


def has_begun(state: PodState) -> bool:
    """Whether anything has become of a container, be it that it could not start."""
    return any(c.started_at or c.termination or c.previous for c in state.containers)


def _before_containers(verdict: Verdict, last_words: str) -> Verdict:
    """What to say of containers whose job ended before any of them began: most often the job itself knows why."""
    if verdict.exit_code == 0:  # a supervisor always reports: something has taken its place, or kept it from its work
        verdict = Verdict(exit_code=1, reason="Error", message="the job ended without running its containers")
    why = verdict.message or (
        f"the job ended with exit code {verdict.exit_code} before its containers started;"
        " the shell text before them (CommandPrefix or pre-exec) may have ended it"
    )
    return replace(verdict, message=f"{why}; its last words: {last_words}" if last_words else why)


def _container_ends(state: PodState) -> list[datetime]:
    return [c.termination.finished_at for c in state.containers if c.termination is not None]


def _start_if_missed(state: PodState, evidence: JobEvidence) -> Iterator[Observation]:
    if state.phase is Phase.SUBMITTED and evidence.started_at and evidence.nodes:
        started = ev.JobStarted(nodes=evidence.nodes)
        yield Observation(event=started, at=evidence.started_at, source=evidence.source)


def _after(state: PodState, news: Iterable[Observation]) -> PodState:
    for item in news:
        state = apply(state, item.event, item.at)
    return state


def _explain(event: ev.Event, verdict: Verdict) -> ev.Event:
    """A kill is given the reason for which Slurm killed."""
    if not isinstance(event, ev.ContainerTerminated) or not verdict.message or event.exit_code not in KILLED:
        return event
    return replace(event, reason=verdict.reason, message=verdict.message)


def _close(state: PodState, verdict: Verdict) -> Iterator[ev.Event]:
    """An end for every container that has not reported one."""
    culprit = failed_init(state)
    for container in state.containers:
        if container.status is ContainerStatus.TERMINATED:
            continue
        if culprit is not None and container.started_at is None:
            yield ev.ContainerTerminated(
                container=container.name,
                attempt=container.attempt,
                exit_code=128,
                reason="NotStarted",
                message=why_not_started(culprit),
            )
        else:
            yield ev.ContainerTerminated(
                container=container.name,
                attempt=container.attempt,
                exit_code=verdict.exit_code,
                reason=verdict.reason,
                message=verdict.message,
            )


def failed_init(state: PodState) -> ContainerState | None:
    """The init container that ended the pod, or the native sidecar that ended before it had started; or ``None``."""
    return next((c for c in state.containers if _has_failed_before_the_mains(c)), None)


def _has_failed_before_the_mains(container: ContainerState) -> bool:
    if container.termination is None:
        return False
    if container.role is ContainerRole.SIDECAR:
        return not container.ever_started
    return container.role is ContainerRole.INIT and container.termination.exit_code != 0


def why_not_started(culprit: ContainerState) -> str:
    """What to say of a container that :func:`failed_init` kept from starting."""
    code = culprit.termination.exit_code if culprit.termination else 1
    if culprit.role is ContainerRole.SIDECAR:
        return (
            f"not started, because sidecar container {culprit.name} ended with exit code {code} before it had started"
        )
    return f"not started, because init container {culprit.name} failed with exit code {code}"


def _final(state: PodState, evidence: JobEvidence, verdict: Verdict) -> ev.JobEnded:
    succeeded = all(c.termination is not None and c.termination.exit_code == 0 for c in _counting(state))
    is_success = succeeded and evidence.state in _UNHARMED
    if is_success:
        kind: type[ev.JobEnded] = ev.JobSucceeded
    elif state.is_deleted:
        kind = ev.JobCancelled
    else:
        kind = ev.JobFailed
    return kind(
        slurm_state=evidence.state,
        exit_code=evidence.exit_code,
        signal=evidence.signal,
        reason="Completed" if is_success else _failure_reason(state, verdict),
        message="" if is_success else (verdict.message or _first_failure(state)),
    )


_UNHARMED = frozenset({SlurmState.COMPLETED, SlurmState.OUT_OF_MEMORY})
"""States in which containers that all ended well count: Slurm says OUT_OF_MEMORY also where one was killed for it, and
then started again with success."""


def _counting(state: PodState) -> list[ContainerState]:
    """The containers whose ends decide; how a native sidecar ends is of no consequence."""
    return [c for c in state.containers if c.role is not ContainerRole.SIDECAR]


def _failure_reason(state: PodState, verdict: Verdict) -> str:
    return "DeadlineExceeded" if state.deadline_seconds is not None else verdict.reason


def _first_failure(state: PodState) -> str:
    if state.deadline_seconds is not None:
        return _overdue(state)
    for c in _counting(state):
        if c.termination is not None and c.termination.exit_code != 0:
            return f"container {c.name} failed with exit code {c.termination.exit_code}"
    return ""


def _verdict(state: PodState, evidence: JobEvidence) -> Verdict:
    if state.is_deleted and evidence.state is SlurmState.COMPLETED and state.phase is Phase.SUBMITTED:
        return Verdict(exit_code=143, reason="Cancelled", message="deleted before it started")
    return verdict_of(evidence)


def verdict_of(evidence: JobEvidence) -> Verdict:
    """What a final Slurm state means for a container that did not report its own end.

    Source: https://slurm.schedmd.com/squeue.html#SECTION_JOB-STATE-CODES
    """
    state = evidence.state
    if state is SlurmState.COMPLETED:
        return Verdict(exit_code=0, reason="Completed")
    if state is SlurmState.FAILED:
        code = 128 + evidence.signal if evidence.signal else evidence.exit_code or 1
        return Verdict(exit_code=code, reason="Error")
    code, reason, why = _KILLS.get(state, (137, "JobLost", "the job was lost"))
    limit = f" ({evidence.time_limit})" if evidence.time_limit and state is SlurmState.TIMEOUT else ""
    return Verdict(exit_code=code, reason=reason, message=f"Slurm job {evidence.job_id}: {state}, {why}{limit}")


_KILLS: dict[SlurmState, tuple[int, str, str]] = {
    SlurmState.OUT_OF_MEMORY: (137, "OOMKilled", "the job used more memory than it asked for"),
    SlurmState.TIMEOUT: (143, "DeadlineExceeded", "the job reached its time limit"),
    SlurmState.DEADLINE: (143, "DeadlineExceeded", "the job reached its deadline"),
    SlurmState.CANCELLED: (143, "Cancelled", "the job was cancelled"),
    SlurmState.PREEMPTED: (143, "Preempted", "the job was preempted"),
    SlurmState.NODE_FAIL: (137, "NodeLost", "a node of the job failed"),
    SlurmState.BOOT_FAIL: (137, "NodeLost", "a node of the job could not be started"),
    SlurmState.REVOKED: (137, "NodeLost", "the job was revoked"),
}
"""Exit code, reason and sentence of every state in which Slurm itself ended the job."""


def is_complete(state: PodState, facts: Iterable[tuple[ev.Event, datetime]]) -> bool:
    """Whether the report leaves nothing open: every container ended, or an init container ended the pod."""
    state = _after(state, report(state, facts))
    everyone = all(c.status is ContainerStatus.TERMINATED for c in state.containers)
    return everyone or failed_init(state) is not None


def lost(state: PodState, now: datetime, detail: str) -> list[Observation]:
    """The end of a job about which neither Slurm nor the job's own files say any more how it ended."""
    closing: list[ev.Event] = [
        ev.ContainerTerminated(container=c.name, attempt=c.attempt, exit_code=137, reason="JobLost", message=detail)
        for c in state.containers
        if c.status is not ContainerStatus.TERMINATED
    ]
    kind = ev.JobCancelled if state.is_deleted else ev.JobFailed
    final = kind(slurm_state="UNKNOWN", reason="JobLost", message=detail)
    return [Observation(event=event, at=now, source=Source.SIDECAR) for event in (*closing, final)]
