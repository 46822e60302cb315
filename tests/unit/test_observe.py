"""From evidence about a job to events: each end explained, nothing said twice."""

from __future__ import annotations

import pytest

from sidecar.domain import events as ev
from sidecar.domain import observe
from sidecar.domain.events import Event, Source
from sidecar.domain.lifecycle import Phase
from sidecar.domain.observe import JobEvidence, Observation
from sidecar.domain.pod import RestartPolicy
from sidecar.domain.projection import apply
from sidecar.domain.slurm_state import SlurmState
from sidecar.domain.state import PodState
from tests.factories import (
    INIT,
    MAIN,
    RUNNING,
    SIDE,
    SUBMITTED,
    a_state,
    at,
    began,
    evidence,
    exited,
    restarting,
    timed,
)


def after(state: PodState, news: list[Observation]) -> PodState:
    for item in news:
        state = apply(state, item.event, item.at)
    return state


def queued(state: SlurmState = SlurmState.PENDING, reason: str = "Priority") -> JobEvidence:
    return evidence(state, source=Source.SQUEUE, reason=reason, started_at=None, nodes="")


def running() -> JobEvidence:
    return evidence(SlurmState.RUNNING, source=Source.SQUEUE)


def kinds(news: list[Observation]) -> list[str]:
    return [item.event.kind for item in news]


def codes(state: PodState) -> dict[str, tuple[int, str]]:
    return {c.name: (c.termination.exit_code, c.termination.reason) for c in state.containers if c.termination}


def test_a_waiting_job_is_news_when_its_reason_changes() -> None:
    state = a_state(*SUBMITTED)
    state = after(state, observe.job(state, queued()))

    assert observe.job(state, queued()) == []
    assert [item.event for item in observe.job(state, queued(reason="Resources"))] == [ev.JobQueued(reason="Resources")]


def test_a_running_job_started_when_slurm_says_so() -> None:
    (news,) = observe.job(a_state(*SUBMITTED), running())

    assert news == Observation(event=ev.JobStarted(nodes="node1"), at=at(2), source=Source.SQUEUE)


def test_a_requeued_job_waits_again() -> None:
    state = a_state(*RUNNING)

    assert after(state, observe.job(state, queued(SlurmState.REQUEUED, "Requeued"))).phase is Phase.SUBMITTED


@pytest.mark.parametrize("state", [SlurmState.UNKNOWN, SlurmState.RUNNING, SlurmState.COMPLETING])
def test_a_running_pod_stays_as_it_is_while_slurm_says_nothing_new(state: SlurmState) -> None:
    assert observe.job(a_state(*RUNNING), evidence(state)) == []


@pytest.mark.parametrize("missing_from", [RUNNING, (*SUBMITTED, ev.JobQueued(reason="Priority"))])
def test_a_job_that_comes_back_to_the_queue_is_not_counted_as_missing_any_more(
    missing_from: tuple[Event, ...],
) -> None:
    state = a_state(*missing_from, ev.EvidenceMissing(detail="gone"))
    seen = running() if state.phase is Phase.RUNNING else queued()

    state = after(state, observe.job(state, seen))

    assert state.missing_since is None
    assert observe.job(state, seen) == []


def test_facts_of_the_report_become_events_once() -> None:
    facts = timed([ev.JobStarted(nodes="node1"), began(), exited(3), restarting(1), began(attempt=1)])
    state = a_state(*SUBMITTED)
    news = observe.report(state, facts)

    assert kinds(news) == ["job_started", "container_started", *kinds(news)[2:]]
    assert [item.at for item in news] == [when for _, when in facts]
    assert observe.report(after(state, news), facts) == []


def test_an_image_that_cannot_be_had_is_told_once() -> None:
    facts = timed([ev.ImagePullFailed(container="main", attempt=0, message="manifest unknown")])
    state = a_state(*RUNNING)
    state = after(state, observe.report(state, facts))

    assert observe.report(state, facts) == []


def test_every_try_for_an_image_is_told_once() -> None:
    tries = [ev.ImagePullBackOff(container="main", attempt=0, tries=n, delay_seconds=10) for n in (1, 2)]
    facts = timed([*tries, began()])
    state = a_state(*RUNNING)
    news = observe.report(state, facts)

    assert kinds(news) == ["image_pull_back_off", "image_pull_back_off", "container_started"]
    assert observe.report(after(state, news), facts) == []


def test_facts_about_strangers_and_other_attempts_are_passed_over() -> None:
    facts = timed([began("stranger"), exited(0, attempt=4), began(attempt=2), restarting(3), exited(0, "stranger")])

    assert observe.report(a_state(*RUNNING), facts) == []


@pytest.mark.parametrize(
    ("state", "more", "code", "reason"),
    [
        (SlurmState.COMPLETED, {}, 0, "Completed"),
        (SlurmState.FAILED, {"exit_code": 3}, 3, "Error"),
        (SlurmState.FAILED, {"signal": 9}, 137, "Error"),
        (SlurmState.FAILED, {}, 1, "Error"),
        (SlurmState.OUT_OF_MEMORY, {}, 137, "OOMKilled"),
        (SlurmState.TIMEOUT, {}, 143, "DeadlineExceeded"),
        (SlurmState.DEADLINE, {}, 143, "DeadlineExceeded"),
        (SlurmState.CANCELLED, {}, 143, "Cancelled"),
        (SlurmState.PREEMPTED, {}, 143, "Preempted"),
        (SlurmState.NODE_FAIL, {}, 137, "NodeLost"),
        (SlurmState.BOOT_FAIL, {}, 137, "NodeLost"),
        (SlurmState.REVOKED, {}, 137, "NodeLost"),
    ],
)
def test_slurms_verdict_ends_a_container_that_has_not_reported_its_end(
    state: SlurmState, more: dict[str, int], code: int, reason: str
) -> None:
    pod = a_state(*RUNNING, began())

    pod = after(pod, observe.ended(pod, evidence(state, **more)))

    assert codes(pod) == {"main": (code, reason)}
    assert pod.phase is (Phase.DONE if state is SlurmState.COMPLETED else Phase.FAILED)
    assert pod.finished_at == at(60)


def test_a_containers_own_code_wins_over_the_jobs() -> None:
    pod = a_state(*RUNNING, began())

    pod = after(pod, observe.ended(pod, evidence(SlurmState.FAILED, exit_code=1), timed([exited(42)], start=50)))

    assert codes(pod) == {"main": (42, "Error")}
    assert pod.message == "container main failed with exit code 42"


@pytest.mark.parametrize("code", [137, 143])
def test_a_reported_kill_gets_the_reason_for_which_slurm_killed(code: int) -> None:
    pod = a_state(*RUNNING, began())
    timeout = evidence(SlurmState.TIMEOUT, time_limit="10:00")

    pod = after(pod, observe.ended(pod, timeout, timed([exited(code)], start=50)))

    assert codes(pod) == {"main": (code, "DeadlineExceeded")}
    assert pod.message == "Slurm job 7: TIMEOUT, the job reached its time limit (10:00)"


def test_an_exit_that_is_no_kill_keeps_its_own_reason_in_a_job_that_was_cancelled() -> None:
    pod = a_state(*RUNNING, began())

    pod = after(pod, observe.ended(pod, evidence(SlurmState.CANCELLED), timed([exited(0)], start=50)))

    assert codes(pod) == {"main": (0, "Completed")}
    assert pod.phase is Phase.FAILED


def test_after_a_failed_init_container_the_main_ones_count_as_never_started() -> None:
    pod = a_state(*RUNNING, began("setup"), exited(5, "setup"), containers=[INIT, MAIN])

    pod = after(pod, observe.ended(pod, evidence(SlurmState.FAILED, exit_code=5)))

    assert codes(pod) == {"setup": (5, "Error"), "main": (128, "NotStarted")}
    assert pod.containers[1].termination is not None
    assert "setup failed with exit code 5" in pod.containers[1].termination.message


def test_an_end_without_a_seen_start_tells_both() -> None:
    pod = a_state(*SUBMITTED)

    news = observe.ended(pod, evidence())

    assert kinds(news) == ["job_started", "container_terminated", "job_succeeded"]
    assert after(pod, news).started_at == at(2)


def test_a_job_that_ends_in_the_queue_never_started() -> None:
    pod = a_state(*SUBMITTED)

    pod = after(pod, observe.ended(pod, evidence(SlurmState.CANCELLED, started_at=None, nodes="")))

    assert (pod.phase, pod.started_at, codes(pod)) == (Phase.FAILED, None, {"main": (143, "Cancelled")})


@pytest.mark.parametrize("state", [SlurmState.CANCELLED, SlurmState.FAILED, SlurmState.COMPLETED])
def test_a_deleted_pod_ends_as_cancelled_unless_it_was_done(state: SlurmState) -> None:
    pod = a_state(*RUNNING, began(), ev.DeletionRequested(grace_seconds=30))

    pod = after(pod, observe.ended(pod, evidence(state)))

    assert pod.phase is (Phase.DONE if state is SlurmState.COMPLETED else Phase.CANCELLED)


def test_a_deleted_pod_whose_job_left_at_once_has_not_succeeded() -> None:
    pod = a_state(*SUBMITTED, ev.DeletionRequested(grace_seconds=30))

    pod = after(pod, observe.ended(pod, evidence(started_at=None, nodes="")))

    assert (pod.phase, codes(pod)) == (Phase.CANCELLED, {"main": (143, "Cancelled")})


def test_a_lost_job_ends_what_had_not_ended() -> None:
    pod = a_state(*RUNNING, began("setup"), exited(0, "setup"), began(), containers=[INIT, MAIN])

    pod = after(pod, observe.lost(pod, at(200), "nobody knows"))

    assert (pod.phase, pod.reason, pod.message) == (Phase.FAILED, "JobLost", "nobody knows")
    assert codes(pod) == {"setup": (0, "Completed"), "main": (137, "JobLost")}


def test_a_report_is_complete_when_everybody_ended_or_an_init_container_failed() -> None:
    pod = a_state(*RUNNING, containers=[INIT, MAIN], restart_policy=RestartPolicy.NEVER)

    assert not observe.is_complete(pod, timed([began("setup"), exited(0, "setup"), began()]))
    assert observe.is_complete(pod, timed([began("setup"), exited(1, "setup")]))
    assert observe.is_complete(pod, timed([began("setup"), exited(0, "setup"), began(), exited(1)]))


def test_a_container_that_ended_after_the_deadline_has_failed_whatever_it_says() -> None:
    pod = a_state(*RUNNING, began(), containers=[MAIN])
    news = observe.report(pod, timed([ev.DeadlineExceeded(seconds=5), exited(0)], start=9))

    pod = after(pod, news)

    end = pod.containers[0].termination
    assert end is not None
    assert (end.exit_code, end.reason) == (143, "DeadlineExceeded")
    assert end.message == "the pod ran longer than its activeDeadlineSeconds (5); it ended with exit code 0"
    assert observe.report(pod, timed([ev.DeadlineExceeded(seconds=5)], start=9)) == []


def test_after_the_deadline_a_containers_own_code_and_words_are_kept() -> None:
    pod = a_state(*RUNNING, began(), ev.DeadlineExceeded(seconds=5), containers=[MAIN])
    words = ev.ContainerTerminated(container="main", attempt=0, exit_code=6, reason="Error", message="half done")

    for said, message in ((words, "half done"), (exited(6), "the pod ran longer than its activeDeadlineSeconds (5)")):
        (news,) = observe.report(pod, timed([said]))
        assert news.event == ev.ContainerTerminated(
            container="main", attempt=0, exit_code=6, reason="DeadlineExceeded", message=message
        )


def test_the_end_of_a_pod_after_its_deadline_is_told_as_that() -> None:
    pod = a_state(*RUNNING, began(), ev.DeadlineExceeded(seconds=5))

    pod = after(pod, observe.ended(pod, evidence(SlurmState.FAILED, exit_code=143), timed([exited(0)], start=9)))

    assert (pod.phase, pod.reason) == (Phase.FAILED, "DeadlineExceeded")
    assert pod.message == "the pod ran longer than its activeDeadlineSeconds (5)"


@pytest.mark.parametrize("code", [0, 3, 137])
def test_how_a_native_sidecar_ends_is_of_no_consequence(code: int) -> None:
    pod = a_state(*RUNNING, began("side"), began(), exited(0), containers=[SIDE, MAIN])

    pod = after(pod, observe.ended(pod, evidence(), timed([exited(code, "side")], start=9)))

    assert (pod.phase, codes(pod)["side"][0]) == (Phase.DONE, code)


def test_a_native_sidecar_that_ends_before_it_has_started_ends_the_pod() -> None:
    unstarted = ev.ContainerStarted(container="side", attempt=0, started=False, ready=False)
    pod = a_state(*RUNNING, containers=[SIDE, MAIN])
    facts = timed([unstarted, exited(0, "side")], start=9)

    assert observe.is_complete(pod, facts)
    pod = after(pod, observe.ended(pod, evidence(SlurmState.FAILED, exit_code=1), facts))

    assert codes(pod) == {"side": (0, "Completed"), "main": (128, "NotStarted")}
    end = pod.containers[1].termination
    assert end is not None
    assert end.message == "not started, because sidecar container side ended with exit code 0 before it had started"


def test_a_native_sidecar_that_falls_after_it_had_started_ends_nothing() -> None:
    pod = a_state(*RUNNING, began("side"), exited(1, "side"), began(), containers=[SIDE, MAIN])

    assert observe.failed_init(pod) is None


def test_a_job_of_which_slurm_killed_something_for_its_memory_may_have_succeeded_all_the_same() -> None:
    pod = a_state(*RUNNING, began(), exited(137), restarting(1), began(attempt=1))

    done = after(pod, observe.ended(pod, evidence(SlurmState.OUT_OF_MEMORY), timed([exited(0, attempt=1)], start=9)))
    killed = after(
        pod, observe.ended(pod, evidence(SlurmState.OUT_OF_MEMORY), timed([exited(137, attempt=1)], start=9))
    )

    assert done.phase is Phase.DONE
    assert (killed.phase, codes(killed)) == (Phase.FAILED, {"main": (137, "OOMKilled")})


def only_end(state: PodState, seen: JobEvidence, *reported: Event) -> tuple[int, str, str]:
    termination = after(state, observe.ended(state, seen, timed(reported, start=20))).containers[0].termination
    assert termination is not None
    return termination.exit_code, termination.reason, termination.message


def test_slurms_own_reason_stays_and_the_jobs_last_words_are_added() -> None:
    state = a_state(*RUNNING)

    code, reason, message = only_end(state, evidence(SlurmState.TIMEOUT, last_words="waiting for the licence"))

    assert (code, reason) == (143, "DeadlineExceeded")
    assert message == "Slurm job 7: TIMEOUT, the job reached its time limit; its last words: waiting for the licence"


def test_a_job_without_last_words_still_says_that_its_containers_did_not_start() -> None:
    _, _, message = only_end(a_state(*RUNNING), evidence(SlurmState.FAILED, exit_code=5, last_words=""))

    assert "before its containers started" in message
    assert "last words" not in message


def test_the_last_words_of_a_job_are_not_a_containers_that_has_begun() -> None:
    seen = evidence(SlurmState.FAILED, exit_code=5, last_words="bye")

    assert only_end(a_state(*RUNNING, began()), seen) == (5, "Error", "")
    assert only_end(a_state(*RUNNING), seen, exited(3)) == (3, "Error", "")


def test_a_completed_job_that_ran_nothing_has_failed() -> None:
    code, reason, message = only_end(a_state(*RUNNING), evidence(last_words="bye"))

    assert (code, reason) == (1, "Error")
    assert "without running its containers" in message
    assert message.endswith("bye")


def test_a_completed_job_that_cannot_report_has_succeeded() -> None:
    assert only_end(a_state(*RUNNING), evidence(last_words=None)) == (0, "Completed", "")
