"""Reading the jobs' reports: each time only what was added since the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sidecar.domain import events as ev
from sidecar.domain.state import PodState
from sidecar.job_output import report
from sidecar.pod_files.paths import PodDirectory

_LOOKS = 3

Fact = tuple[ev.Event, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFacts:
    """What a report says that has not been taken in."""

    settled: tuple[Fact, ...] = ()
    """Facts that stand for themselves."""
    pending: tuple[Fact, ...] = ()
    """Facts from the moment on at which the job was told to stop: only Slurm knows why, so they wait for its word."""
    finished_code: int | None = None
    """The job's own last word, its exit code."""
    looks_asked_for: int = 0
    """How often Slurm was looked at because of that last word."""
    is_stopping: bool = False
    expected: bool = True
    """Whether this pod's job can report at all."""
    offset: int = 0
    """How far the report has been read."""
    has_more: bool = False
    """Whether the report is longer than what is read at a time."""

    @property
    def asks_for_a_look(self) -> bool:
        """Whether Slurm should be asked for its verdict now: it has it a moment after the job's last word."""
        return self.finished_code is not None and self.looks_asked_for < _LOOKS

    @property
    def all(self) -> tuple[Fact, ...]:
        """Everything, in order."""
        return (*self.settled, *self.pending)


class Reports:
    """Remembers how far each pod's report was taken in; after a restart all is read again, which is harmless."""

    def __init__(self, directory_of: Callable[[PodState], PodDirectory], *, shared_fs: bool) -> None:
        self._directory_of = directory_of
        self._nothing = NewFacts(expected=shared_fs)
        self._taken: dict[str, NewFacts] = {}

    def read(self, pod: PodState) -> NewFacts:
        """What was added to a pod's report."""
        before = self.known(pod)
        return _add(before, report.read(self._directory_of(pod), before.offset))

    def known(self, pod: PodState) -> NewFacts:
        """What was read before and has not been taken in, without a look at the report."""
        return self._taken.get(pod.uid, self._nothing)

    def taken_in(self, uid: str, facts: NewFacts) -> None:
        """Remember that the settled facts are stored."""
        self._taken[uid] = NewFacts(
            pending=facts.pending,
            finished_code=facts.finished_code,
            looks_asked_for=facts.looks_asked_for + facts.asks_for_a_look,
            is_stopping=facts.is_stopping,
            expected=facts.expected,
            offset=facts.offset,
            has_more=facts.has_more,
        )

    def offset(self, uid: str) -> int:
        """How far a pod's report has been taken in."""
        return self._taken.get(uid, self._nothing).offset

    def unfinished(self) -> set[str]:
        """Pods whose report is to be read again although nobody rings: it was too long to be read at once, or the job
        has said its last word and Slurm has not.
        """
        return {uid for uid, facts in self._taken.items() if facts.has_more or facts.asks_for_a_look}

    def forget(self, uid: str) -> None:
        """The pod has ended."""
        self._taken.pop(uid, None)


def _add(before: NewFacts, added: report.Report) -> NewFacts:
    settled, pending = list(before.settled), list(before.pending)
    code, stopping = before.finished_code, before.is_stopping
    for fact in added.facts:
        if isinstance(fact, report.JobStopping):
            stopping = True
        elif isinstance(fact, report.JobFinished):
            code = fact.code
        else:
            (pending if stopping else settled).extend((event, fact.at) for event in events_of(fact))
    return NewFacts(
        settled=tuple(settled),
        pending=tuple(pending),
        finished_code=code,
        looks_asked_for=before.looks_asked_for,
        is_stopping=stopping,
        expected=before.expected,
        offset=added.offset,
        has_more=added.has_more,
    )


def events_of(fact: report.Fact) -> Sequence[ev.Event]:
    """What a fact of the report is in a pod's history."""
    event = _container_event(fact) if isinstance(fact, report.ContainerFact) else _job_event(fact)
    return [] if event is None else [event]


def _job_event(fact: report.Fact) -> ev.Event | None:
    match fact:
        case report.JobStarted(node=node):
            return ev.JobStarted(nodes=node)
        case report.DeadlineExceeded(seconds=seconds):
            return ev.DeadlineExceeded(seconds=seconds)
        case _:
            return None


def _container_event(fact: report.ContainerFact) -> ev.Event | None:
    name, attempt = fact.container, fact.attempt
    event: ev.Event | None = None
    match fact:
        case report.ImageFailed(message=message):
            event = ev.ImagePullFailed(container=name, attempt=attempt, message=message)
        case report.ImageBackOff(tries=tries, delay=delay, message=message):
            event = ev.ImagePullBackOff(
                container=name, attempt=attempt, tries=tries, delay_seconds=delay, message=message
            )
        case report.ContainerStarted(started=started, ready=ready):
            event = ev.ContainerStarted(container=name, attempt=attempt, started=started, ready=ready)
        case report.ContainerHealth(started=started, ready=ready, message=message):
            event = ev.ContainerHealthChanged(
                container=name, attempt=attempt, started=started, ready=ready, message=message
            )
        case report.ContainerUnhealthy(check=check, message=message):
            event = ev.ContainerUnhealthy(container=name, attempt=attempt, check=check, message=message)
        case report.ContainerTerminated():
            event = _terminated(fact)
        case report.ContainerRestarting(delay=delay):
            event = ev.ContainerRestarting(container=name, attempt=attempt, delay_seconds=delay)
    return event


def _terminated(fact: report.ContainerTerminated) -> ev.ContainerTerminated:
    if fact.oom:
        reason = "OOMKilled"
    elif fact.cannot_run is not None:
        reason = "ContainerCannotRun"
    else:
        reason = "Completed" if fact.code == 0 else "Error"
    return ev.ContainerTerminated(
        container=fact.container, attempt=fact.attempt, exit_code=fact.code, reason=reason, message=fact.message
    )
