"""Whatever is observed, in whatever order: every event is legal, nothing is told twice, every end is complete."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain import events as ev
from sidecar.domain import observe
from sidecar.domain.events import Event, Source
from sidecar.domain.lifecycle import Phase
from sidecar.domain.observe import JobEvidence, Observation
from sidecar.domain.pod import ContainerRole
from sidecar.domain.projection import apply, fold
from sidecar.domain.slurm_state import SlurmState
from sidecar.domain.state import ContainerStatus, PodState
from tests.factories import RUNNING, SUBMITTED, UID, accepted, evidence, timed
from tests.strategies import CONTAINERS, FACTS, WORDS, histories, reported

Facts = list[tuple[Event, datetime]]
WITH_JOB = histories(start=SUBMITTED).map(lambda h: fold(UID, timed(h))).filter(lambda s: not s.phase.is_final)
TERMINAL = [state for state in SlurmState if state.is_terminal]
CONTAINER_KINDS = (
    ev.ContainerStarted,
    ev.ContainerTerminated,
    ev.ContainerRestarting,
    ev.ImagePullFailed,
    ev.ImagePullBackOff,
)
ALIVE = [state for state in SlurmState if state.is_waiting or state.is_active]


def job_evidence(states: list[SlurmState]) -> st.SearchStrategy[JobEvidence]:
    drawn = st.builds(
        evidence,
        st.sampled_from(states),
        source=st.sampled_from([Source.SQUEUE, Source.SACCT]),
        reason=WORDS,
        exit_code=st.sampled_from([0, 1, 3]),
        signal=st.sampled_from([0, 9, 15]),
    )
    never_started = drawn.map(lambda e: replace(e, started_at=None, nodes=""))
    return st.one_of(drawn, never_started)


def after(state: PodState, news: list[Observation]) -> PodState:
    for item in news:
        state = apply(state, item.event, item.at)
    return state


def assert_ended(state: PodState) -> None:
    assert state.phase.is_final
    assert all(c.status is ContainerStatus.TERMINATED and c.termination for c in state.containers)
    counting = [c for c in state.containers if c.role is not ContainerRole.SIDECAR]
    succeeded = all(c.termination and c.termination.exit_code == 0 for c in counting)
    assert succeeded or state.phase is not Phase.DONE


@given(WITH_JOB, FACTS)
def test_no_report_can_break_the_lifecycle(state: PodState, facts: Facts) -> None:
    news = observe.report(state, facts)

    assert not after(state, news).phase.is_final
    # After the deadline, an end is told in other words.
    told = [item.event for item in news if getattr(item.event, "reason", "") != "DeadlineExceeded"]
    assert [event for event in told if event not in [fact for fact, _ in facts]] == []


@given(WITH_JOB.filter(lambda s: all(c.attempt == 0 for c in s.containers)), reported())
def test_a_runners_report_read_again_from_its_beginning_is_no_news(state: PodState, events: list[Event]) -> None:
    facts = timed(events, start=2)
    settled = after(state, observe.report(state, facts))

    assert observe.report(settled, facts) == []


@given(WITH_JOB, job_evidence(ALIVE))
def test_the_same_words_of_slurm_twice_are_no_news(state: PodState, seen: JobEvidence) -> None:
    settled = after(state, observe.job(state, seen))

    assert observe.job(settled, seen) == []


@given(WITH_JOB, job_evidence(TERMINAL), FACTS)
def test_an_end_is_final_and_complete_from_any_state(state: PodState, seen: JobEvidence, facts: Facts) -> None:
    assert_ended(after(state, observe.ended(state, seen, facts)))


@given(WITH_JOB)
def test_a_lost_job_is_final_and_complete_from_any_state(state: PodState) -> None:
    ended = after(state, observe.lost(state, evidence().observed_at, "nobody knows"))

    assert_ended(ended)
    assert ended.phase is not Phase.DONE


@given(st.data(), reported(), st.sampled_from([SUBMITTED, RUNNING]))
def test_any_interleaving_of_queue_and_report_ends_well(
    data: st.DataObject, events: list[Event], start: tuple[Event, ...]
) -> None:
    state = fold(UID, timed(data.draw(histories(start=start, max_size=0))))
    facts = timed(events, start=3)
    read = 0
    for seen in data.draw(st.lists(st.none() | job_evidence(ALIVE), max_size=6)):
        upto = data.draw(st.integers(read, len(facts)))
        # After a restart everything is read from the beginning.
        begin = data.draw(st.sampled_from([0, read]))
        state = after(state, observe.progress(state, seen, facts[begin:upto]))
        read = upto
    seen = data.draw(job_evidence(TERMINAL))

    assert_ended(after(state, observe.ended(state, seen, facts[read:])))


@given(reported())
def test_a_container_ends_with_the_code_it_reported_last(events: list[Event]) -> None:
    state = fold(UID, timed([accepted(*CONTAINERS), *RUNNING]))

    ended = after(state, observe.ended(state, evidence(SlurmState.COMPLETED), timed(events, start=3)))

    last = {event.container: event for event in events if isinstance(event, CONTAINER_KINDS)}
    for name, event in last.items():
        if isinstance(event, ev.ContainerTerminated):
            container = ended.container(name)
            assert container is not None
            assert container.termination is not None
            is_late = container.termination.reason == "DeadlineExceeded"
            code = event.exit_code or (143 if is_late else 0)
            assert (container.attempt, container.termination.exit_code) == (event.attempt, code)


@given(reported())
def test_a_pod_whose_containers_did_not_end_in_time_has_not_succeeded(events: list[Event]) -> None:
    state = fold(UID, timed([accepted(*CONTAINERS), *RUNNING]))
    ended = after(state, observe.ended(state, evidence(SlurmState.COMPLETED), timed(events, start=3)))

    late = {c.name for c in ended.containers if c.termination and c.termination.reason == "DeadlineExceeded"}
    assert ended.phase is not Phase.DONE or late <= {"side"}
