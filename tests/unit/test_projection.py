"""A pod's state as the fold of its events."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given

from sidecar.domain import events as ev
from sidecar.domain.events import Event
from sidecar.domain.lifecycle import Phase
from sidecar.domain.projection import apply, begin, fold
from sidecar.domain.state import ContainerStatus, PodState
from sidecar.errors import IllegalTransition
from tests.factories import (
    INIT,
    MAIN,
    NOON,
    RUNNING,
    SIDE,
    STARTED,
    SUBMITTED,
    UID,
    a_state,
    accepted,
    at,
    began,
    exited,
    failed,
    restarting,
    succeeded,
    timed,
)
from tests.strategies import CONTAINERS, EVENTS, histories


def main_of(state: PodState) -> tuple[ContainerStatus, str]:
    container = state.container("main")
    assert container is not None
    return container.status, container.reason


def test_an_accepted_pod_waits() -> None:
    state = a_state(containers=[INIT, MAIN])

    assert (state.phase, state.version, state.accepted_at) == (Phase.PENDING, 1, NOON)
    assert [c.status for c in state.containers] == [ContainerStatus.WAITING] * 2


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ((), "PodAccepted"),
        ((STARTED, ev.SubmissionDeferred(reason="no controller")), "SlurmUnreachable"),
        (SUBMITTED, "Submitted"),
        ((*SUBMITTED, ev.JobQueued(reason="Priority")), "Queued"),
        (RUNNING, "ContainerCreating"),
    ],
)
def test_a_container_says_what_it_waits_for(events: tuple[Event, ...], reason: str) -> None:
    assert main_of(a_state(*events)) == (ContainerStatus.WAITING, reason)


def test_a_waiting_job_tells_slurms_reason() -> None:
    state = a_state(*SUBMITTED, ev.JobQueued(reason="QOSMaxCpuPerUserLimit"))

    assert state.reason == "QOSMaxCpuPerUserLimit"
    assert "QOSMaxCpuPerUserLimit" in state.containers[0].message


def test_a_container_runs_and_ends_at_the_times_of_its_events() -> None:
    state = a_state(*RUNNING, began(), exited(3))

    end = state.containers[0].termination
    assert end is not None
    assert (end.exit_code, end.started_at, end.finished_at) == (3, at(4), at(5))


def test_a_restarted_container_remembers_its_former_end() -> None:
    state = a_state(*RUNNING, began(), exited(3), restarting(1))

    container = state.containers[0]
    assert (container.status, container.reason, container.attempt) == (ContainerStatus.WAITING, "CrashLoopBackOff", 1)
    assert container.termination is None
    assert container.previous is not None
    assert container.previous.exit_code == 3


def test_a_missing_image_is_told_while_waiting_while_backing_off_and_at_the_end() -> None:
    no_image = ev.ImagePullFailed(container="main", attempt=0, message="manifest unknown")

    assert main_of(a_state(*RUNNING, no_image)) == (ContainerStatus.WAITING, "ErrImagePull")
    assert main_of(a_state(*RUNNING, no_image, exited(128), restarting(1)))[1] == "ImagePullBackOff"
    end = a_state(*RUNNING, no_image, exited(128)).containers[0].termination
    assert end is not None
    assert (end.reason, end.message) == ("ErrImagePull", "ErrImagePull: manifest unknown")


def test_an_image_that_is_tried_again_is_told_with_the_runtimes_words() -> None:
    failed = ev.ImagePullBackOff(container="main", attempt=0, tries=2, delay_seconds=20, message="connection refused")
    container = a_state(*RUNNING, failed).containers[0]

    assert (container.status, container.reason) == (ContainerStatus.WAITING, "ImagePullBackOff")
    assert container.message == "try 2 failed, the next follows in 20 s: connection refused"
    assert main_of(a_state(*RUNNING, failed, began())) == (ContainerStatus.RUNNING, "")


def healths(*events: Event) -> tuple[bool, bool, bool]:
    container = a_state(*RUNNING, *events).containers[0]
    return container.started, container.ready, container.ever_started


def waiting(attempt: int = 0) -> ev.ContainerStarted:
    return ev.ContainerStarted(container="main", attempt=attempt, started=False, ready=False)


def health(*, started: bool = True, ready: bool) -> ev.ContainerHealthChanged:
    return ev.ContainerHealthChanged(container="main", attempt=0, started=started, ready=ready)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((), (False, False, False)),
        ((began(),), (True, True, True)),
        ((waiting(),), (False, False, False)),
        ((waiting(), health(ready=False)), (True, False, True)),
        ((waiting(), health(ready=True)), (True, True, True)),
        ((began(), health(ready=False)), (True, False, True)),
        ((began(), exited(3)), (False, False, True)),
        ((began(), exited(3), restarting(1)), (False, False, True)),
        ((began(), exited(3), restarting(1), waiting(1)), (False, False, True)),
        ((waiting(), exited(3), restarting(1), waiting(1)), (False, False, False)),
        ((began(), ev.ContainerUnhealthy(container="main", attempt=0, check="liveness")), (True, False, True)),
        ((began(), ev.ContainerUnhealthy(container="main", attempt=0, check="preStop")), (True, True, True)),
    ],
)
def test_a_container_has_started_and_is_ready_as_its_probes_say(
    events: tuple[Event, ...], expected: tuple[bool, bool, bool]
) -> None:
    assert healths(*events) == expected


@pytest.mark.parametrize(
    ("check", "message", "told"),
    [
        ("liveness", "no answer within 1 s", "Liveness probe failed: no answer within 1 s"),
        ("startup", "", "Startup probe failed"),
        ("postStart", "no", "PostStartHook failed: no"),
        ("preStop", "no", ""),
    ],
)
def test_a_container_that_was_ended_for_its_health_says_so(check: str, message: str, told: str) -> None:
    unhealthy = ev.ContainerUnhealthy(container="main", attempt=0, check=check, message=message)
    (container,) = a_state(*RUNNING, began(), unhealthy, exited(143), restarting(1), began(attempt=1)).containers

    assert container.previous is not None
    assert container.previous.message == told
    assert container.unhealthy == ""


def test_a_containers_own_last_words_come_before_what_its_probe_said() -> None:
    unhealthy = ev.ContainerUnhealthy(container="main", attempt=0, check="liveness", message="x")
    own = ev.ContainerTerminated(container="main", attempt=0, exit_code=1, reason="Error", message="my own")
    end = a_state(*RUNNING, began(), unhealthy, own).containers[0].termination

    assert end is not None
    assert end.message == "my own"


def test_a_refused_submission_ends_every_container_with_sbatchs_words() -> None:
    state = a_state(STARTED, ev.SubmissionFailed(reason="Invalid partition"), containers=[INIT, MAIN])

    ends = [c.termination for c in state.containers]
    assert [(e.exit_code, e.reason, e.message) for e in ends if e] == [
        (128, "SubmissionFailed", "Invalid partition")
    ] * 2


def test_a_job_that_is_listed_again_is_no_longer_missing() -> None:
    missing = ev.EvidenceMissing(detail="gone")

    assert a_state(*RUNNING, missing).missing_since == at(4)
    assert a_state(*RUNNING, missing, ev.JobStarted(nodes="node1")).missing_since is None
    assert a_state(*SUBMITTED, missing, ev.JobQueued(reason="Priority")).missing_since is None


@pytest.mark.parametrize(
    ("events", "is_open"),
    [
        ((), True),
        (RUNNING, True),
        ((*RUNNING, succeeded()), True),
        ((*RUNNING, succeeded(), ev.JobUsageRecorded()), False),
        ((*RUNNING, failed(), ev.JobUsageRecorded(), ev.DeletionRequested(grace_seconds=1)), True),
        ((*RUNNING, failed(), ev.JobUsageRecorded(), ev.DeletionRequested(grace_seconds=1), ev.FilesRemoved()), False),
        ((STARTED, ev.SubmissionFailed(reason="no")), False),
    ],
)
def test_a_pod_is_open_as_long_as_something_is_to_be_done(events: tuple[Event, ...], is_open: bool) -> None:
    assert a_state(*events).is_open is is_open


def test_a_history_begins_with_the_acceptance() -> None:
    with pytest.raises(IllegalTransition, match="never accepted"):
        begin(UID, STARTED, NOON)
    with pytest.raises(IllegalTransition, match="without events"):
        fold(UID, [])


def test_events_of_containers_that_the_pod_does_not_have_change_nothing_of_the_others() -> None:
    before = a_state(*RUNNING)

    assert apply(before, began("stranger"), at(9)).containers == before.containers


@given(histories())
def test_replaying_a_history_gives_what_its_single_steps_gave(history: list[Event]) -> None:
    state = begin(UID, history[0], NOON)
    for second, event in enumerate(history[1:], start=1):
        state = fold(UID, [(event, NOON + timedelta(seconds=second))], state)

    assert fold(UID, timed(history)) == state
    assert fold(UID, timed(history)) == fold(UID, timed(history))
    assert state.version == len(history)


@given(histories())
def test_a_state_survives_being_stored(history: list[Event]) -> None:
    state = fold(UID, timed(history))

    assert msgspec.json.decode(msgspec.json.encode(state), type=PodState) == state


@given(histories())
def test_containers_are_neither_lost_nor_changed_in_order(history: list[Event]) -> None:
    state = fold(UID, timed(history))

    assert [c.name for c in state.containers] == [c.name for c in CONTAINERS]
    for container in state.containers:
        assert (container.status is ContainerStatus.TERMINATED) == (container.termination is not None)


@given(histories(start=(*RUNNING, failed())), EVENTS)
def test_nothing_that_comes_after_the_end_changes_how_it_ended(history: list[Event], event: Event) -> None:
    state = fold(UID, timed(history))
    try:
        later = apply(state, event, at(99))
    except IllegalTransition:
        return
    assert (later.phase, later.slurm_state, later.exit_code, later.finished_at, later.containers) == (
        (state.phase, state.slurm_state, state.exit_code, state.finished_at, state.containers)
    )


@pytest.mark.parametrize("kind", sorted(ev.KINDS))
def test_every_kind_of_event_says_what_it_means(kind: str) -> None:
    assert ev.KINDS[kind].__doc__


def test_notes_of_the_acceptance_stay_with_the_pod() -> None:
    assert fold(UID, timed([accepted(notes=("stdin ignored",)), *RUNNING])).notes == ("stdin ignored",)


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        ("container_started", b'{"container":"main","attempt":0}'),
        ("container_terminated", b'{"container":"main","attempt":0,"exit_code":3,"reason":"Error"}'),
    ],
)
def test_an_event_from_before_probes_and_last_words_is_read_as_it_was_meant(kind: str, stored: bytes) -> None:
    event = msgspec.json.decode(stored, type=ev.KINDS[kind])

    assert event in (began(), exited(3))


def test_a_pod_from_before_probes_is_started_and_ready_while_it_runs() -> None:
    stored = msgspec.json.decode(b'{"container":"main","attempt":0}', type=ev.ContainerStarted)
    container = a_state(*RUNNING, stored).containers[0]

    assert (container.started, container.ready, container.ever_started) == (True, True, True)


def unstarted(attempt: int = 0) -> ev.ContainerStarted:
    return ev.ContainerStarted(container="side", attempt=attempt, started=False, ready=False)


def test_a_container_that_has_started_once_is_remembered_as_that() -> None:
    healthy = ev.ContainerHealthChanged(container="side", attempt=0, started=True, ready=True)
    fallen = (*RUNNING, unstarted(), healthy, exited(1, "side"), restarting(1, "side"))
    again = a_state(*fallen, unstarted(1), containers=[SIDE, MAIN]).containers[0]

    assert (again.started, again.ready, again.ever_started) == (False, False, True)
    assert not a_state(*RUNNING, unstarted(), containers=[SIDE, MAIN]).containers[0].ever_started


def test_a_container_that_was_ended_for_its_health_says_so_unless_it_has_words_of_its_own() -> None:
    ill = ev.ContainerUnhealthy(container="main", attempt=0, check="liveness", message="connection refused")
    words = ev.ContainerTerminated(container="main", attempt=0, exit_code=143, reason="Error", message="bye")

    for end, message in ((exited(143), "Liveness probe failed: connection refused"), (words, "bye")):
        ended = a_state(*RUNNING, began(), ill, end).containers[0].termination
        assert ended is not None
        assert ended.message == message


def test_a_failed_pre_stop_hook_explains_no_end() -> None:
    hook = ev.ContainerUnhealthy(container="main", attempt=0, check="preStop", message="no such file")
    ended = a_state(*RUNNING, began(), hook, exited(0)).containers[0].termination

    assert ended is not None
    assert ended.message == ""
