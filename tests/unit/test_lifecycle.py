"""The table of transitions, and that nothing gets around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.events import KINDS
from sidecar.domain.lifecycle import TRANSITIONS, Lifecycle, Phase, next_phase
from sidecar.errors import IllegalTransition

KIND_NAMES = sorted(KINDS)


def walk(*kinds: str) -> Phase:
    phase = Phase.PENDING
    for kind in kinds:
        phase = next_phase(phase, kind)
    return phase


@pytest.mark.parametrize(
    ("kinds", "phase"),
    [
        ((), Phase.PENDING),
        (("submission_started", "submission_deferred"), Phase.PENDING),
        (("submission_started", "job_submitted"), Phase.SUBMITTED),
        (("submission_started", "job_adopted"), Phase.SUBMITTED),
        (("job_submitted", "job_queued", "job_started"), Phase.RUNNING),
        (("job_submitted", "job_started", "job_queued"), Phase.SUBMITTED),
        (("job_submitted", "job_started", "job_started"), Phase.RUNNING),
        (("job_submitted", "job_started", "job_succeeded"), Phase.DONE),
        (("job_submitted", "job_started", "job_failed"), Phase.FAILED),
        (("job_submitted", "job_failed"), Phase.FAILED),
        (("submission_started", "submission_failed"), Phase.FAILED),
        (("deletion_requested", "job_cancelled"), Phase.CANCELLED),
        (("job_submitted", "job_started", "deletion_requested"), Phase.RUNNING),
        (("job_submitted", "job_succeeded", "job_usage_recorded", "deletion_requested", "files_removed"), Phase.DONE),
    ],
)
def test_a_pod_goes_its_way(kinds: tuple[str, ...], phase: Phase) -> None:
    assert walk(*kinds) is phase


@pytest.mark.parametrize(
    ("phase", "kind"),
    [
        (Phase.PENDING, "job_started"),
        (Phase.PENDING, "job_succeeded"),
        (Phase.PENDING, "container_started"),
        (Phase.SUBMITTED, "job_submitted"),
        (Phase.SUBMITTED, "submission_failed"),
        (Phase.RUNNING, "submission_started"),
        (Phase.RUNNING, "files_removed"),
        (Phase.DONE, "job_failed"),
        (Phase.FAILED, "job_succeeded"),
        (Phase.CANCELLED, "container_terminated"),
        (Phase.DONE, "evidence_missing"),
    ],
)
def test_an_impossible_event_is_refused_by_name(phase: Phase, kind: str) -> None:
    with pytest.raises(IllegalTransition, match=f"^{kind} is not possible while the pod is {phase}$"):
        next_phase(phase, kind)


@pytest.mark.parametrize("kind", ["", "to_Done", "pod_vanished", "apply", "phase"])
def test_what_is_no_kind_of_event_is_refused(kind: str) -> None:
    with pytest.raises(IllegalTransition):
        next_phase(Phase.PENDING, kind)


def test_every_kind_of_event_is_in_the_table_but_the_one_that_begins_a_history() -> None:
    assert {row["trigger"] for row in TRANSITIONS} == set(KINDS) - {"pod_accepted"}


@pytest.mark.parametrize("phase", Phase)
def test_a_history_begins_only_once(phase: Phase) -> None:
    with pytest.raises(IllegalTransition):
        next_phase(phase, "pod_accepted")


@given(st.lists(st.sampled_from([*KIND_NAMES, "nonsense"]), max_size=40))
def test_in_any_order_of_events_a_final_phase_stays(kinds: list[str]) -> None:
    phase = Phase.PENDING
    for kind in kinds:
        try:
            following = next_phase(phase, kind)
        except IllegalTransition:
            continue
        assert following is phase or not phase.is_final
        phase = following


@given(st.lists(st.sampled_from(KIND_NAMES), max_size=40))
def test_the_remembered_steps_are_those_of_the_machine(kinds: list[str]) -> None:
    machine, phase = Lifecycle(), Phase.PENDING
    for kind in kinds:
        try:
            phase = next_phase(phase, kind)
        except IllegalTransition as error:
            with pytest.raises(IllegalTransition, match=str(error)):
                machine.apply(kind)
        else:
            assert machine.apply(kind) is phase
    assert machine.phase is phase


def test_machines_do_not_share_their_phase() -> None:
    first, second = Lifecycle(), Lifecycle()

    first.apply("job_submitted")

    assert second.phase is Phase.PENDING
