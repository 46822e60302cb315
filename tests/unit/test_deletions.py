"""What Slurm is told about a deleted pod, and when."""

from __future__ import annotations

import pytest

from sidecar.domain import events as ev
from sidecar.domain.events import Event
from sidecar.domain.state import PodState
from sidecar.reconciler.deletions import ASK_AGAIN, CANCEL, SLACK, TERM, next_order
from tests.factories import RUNNING, SUBMITTED, a_state, at


def deleted(*events: Event, grace: int = 30) -> PodState:
    return a_state(*events, ev.DeletionRequested(grace_seconds=grace))


def told(order: str, grace: int = 30) -> PodState:
    """Deleted at second 4 and told at second 5."""
    return a_state(*RUNNING, ev.DeletionRequested(grace_seconds=grace), ev.CancellationSent(signal=order))


@pytest.mark.parametrize("grace", [0, 30])
def test_a_running_job_is_asked_to_end_within_its_grace(grace: int) -> None:
    assert next_order(deleted(*RUNNING, grace=grace), at(5)) == TERM


def test_a_waiting_job_is_cancelled() -> None:
    assert next_order(deleted(*SUBMITTED), at(5)) == CANCEL


@pytest.mark.parametrize("grace", [1, 30, 3600])
def test_after_grace_and_slack_it_is_cancelled(grace: int) -> None:
    patience = grace + SLACK.total_seconds()

    assert next_order(told(TERM, grace), at(5 + patience)) is None
    assert next_order(told(TERM, grace), at(5 + patience + 1)) == CANCEL


def test_a_cancelled_job_that_is_still_there_is_cancelled_again_after_a_while() -> None:
    assert next_order(told(CANCEL), at(5 + ASK_AGAIN.total_seconds())) is None
    assert next_order(told(CANCEL), at(6 + ASK_AGAIN.total_seconds())) == CANCEL


def test_a_job_that_began_to_run_after_its_cancellation_gets_no_second_grace() -> None:
    state = a_state(
        *SUBMITTED,
        ev.DeletionRequested(grace_seconds=3600),
        ev.CancellationSent(signal=CANCEL),
        ev.JobStarted(nodes="node1"),
    )

    assert next_order(state, at(6 + ASK_AGAIN.total_seconds())) == CANCEL
