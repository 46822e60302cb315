"""The lifecycle of a pod: one table of transitions, driven by the events' kinds.

Deletion is a fact of its own and no phase: a pod whose deletion was requested keeps its phase until its job has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from transitions import Machine, MachineError

from sidecar.errors import IllegalTransition

if TYPE_CHECKING:
    from transitions.core import TransitionConfigDict


class Phase(StrEnum):
    """Where a pod is on its way."""

    PENDING = "Pending"
    """Accepted and durable; Slurm does not have it yet, or nobody knows whether it has."""
    SUBMITTED = "Submitted"
    """Slurm has the job in its queue."""
    RUNNING = "Running"
    DONE = "Done"
    """Every container ended well."""
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    """Deleted before its end."""

    @property
    def is_final(self) -> bool:
        """Whether nothing of the pod runs, or ever will."""
        return self in FINAL


FINAL = frozenset({Phase.DONE, Phase.FAILED, Phase.CANCELLED})
_WITH_JOB = [Phase.SUBMITTED, Phase.RUNNING]
_LIVE = [Phase.PENDING, *_WITH_JOB]
_ENDED = [Phase.DONE, Phase.FAILED, Phase.CANCELLED]


def _stays(trigger: str, source: list[Phase]) -> TransitionConfigDict:
    """A fact that is recorded without moving the pod."""
    return {"trigger": trigger, "source": list(source), "dest": "="}


def _moves(trigger: str, source: list[Phase], dest: Phase) -> TransitionConfigDict:
    return {"trigger": trigger, "source": list(source), "dest": dest}


TRANSITIONS: list[TransitionConfigDict] = [
    _stays("submission_started", [Phase.PENDING]),
    _stays("submission_deferred", [Phase.PENDING]),
    _moves("submission_failed", [Phase.PENDING], Phase.FAILED),
    _moves("job_submitted", [Phase.PENDING], Phase.SUBMITTED),
    _moves("job_adopted", [Phase.PENDING, *_WITH_JOB], Phase.SUBMITTED),
    _moves("job_queued", _WITH_JOB, Phase.SUBMITTED),
    # Again while running, when a job that Slurm's queue had ceased to list is listed again.
    _moves("job_started", _WITH_JOB, Phase.RUNNING),
    _stays("image_pull_failed", [Phase.RUNNING]),
    _stays("image_pull_back_off", [Phase.RUNNING]),
    _stays("container_started", [Phase.RUNNING]),
    _stays("container_restarting", [Phase.RUNNING]),
    _stays("container_health_changed", [Phase.RUNNING]),
    _stays("container_unhealthy", [Phase.RUNNING]),
    _stays("deadline_exceeded", [Phase.RUNNING]),
    # A job can end without ever having started: its containers then end with it.
    _stays("container_terminated", _LIVE),
    _moves("job_succeeded", _WITH_JOB, Phase.DONE),
    _moves("job_failed", _WITH_JOB, Phase.FAILED),
    _moves("job_cancelled", _LIVE, Phase.CANCELLED),
    _stays("evidence_missing", _WITH_JOB),
    _stays("surplus_job_cancelled", [*_LIVE, *_ENDED]),
    _stays("job_usage_recorded", _ENDED),
    _stays("deletion_requested", [*_LIVE, *_ENDED]),
    _stays("cancellation_sent", _WITH_JOB),
    _stays("files_removed", _ENDED),
]
"""Every legal step; an event that is not in here for the present phase is refused by name.

``pod_accepted`` begins a history and is therefore in no row.
"""


class Lifecycle:
    """A pod's phase, moved by events only."""

    phase: Phase
    trigger: Callable[[str], bool]  # bound by Machine

    def __init__(self, phase: Phase = Phase.PENDING) -> None:
        Machine(
            self,
            states=Phase,
            transitions=TRANSITIONS,
            initial=phase,
            model_attribute="phase",
            auto_transitions=False,
        )

    def apply(self, kind: str) -> Phase:
        """Move by one event of that kind and return the new phase.

        :raises IllegalTransition: the present phase does not allow the event
        """
        try:
            self.trigger(kind)
        except (MachineError, AttributeError) as error:
            raise IllegalTransition(f"{kind} is not possible while the pod is {self.phase}") from error
        return self.phase


@cache
def next_phase(phase: Phase, kind: str) -> Phase:
    """The phase after an event of that kind.

    Remembered, because building a Machine for each of 100,000 events of a replay takes seconds.

    :raises IllegalTransition: ``phase`` does not allow the event
    """
    return Lifecycle(phase).apply(kind)
