"""What one look at Slurm and the job's report mean for a pod; who is believed, and for how long one waits."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.domain import events as ev
from sidecar.domain.events import Event
from sidecar.domain.lifecycle import Phase
from sidecar.domain.observe import Observation
from sidecar.domain.projection import apply
from sidecar.domain.slurm_state import SlurmState
from sidecar.domain.state import PodState
from sidecar.reconciler.conclusions import LOST_AFTER, REPORT_PATIENCE, USAGE_PATIENCE, conclude
from sidecar.reconciler.look import Accounting, Look
from sidecar.reconciler.reports import NewFacts
from sidecar.slurm.accounting import JobAccount
from sidecar.slurm.queue import JobInQueue
from tests.factories import RUNNING, SUBMITTED, UID, a_state, at, began, exited, failed, succeeded, timed

ENDED = at(60)
LATE = ENDED + REPORT_PATIENCE


def queued(state: SlurmState, **changes: Any) -> JobInQueue:
    job = JobInQueue(
        job_id="7", state=state, reason="Priority", nodes="node1", job_name="demo.c0ffee", comment="",
        submitted_at=at(1), started_at=at(2), ended_at=ENDED if state.is_terminal else None,
        work_dir=Path("/jobs/lab-x"), time_limit="1:00:00",
    )  # fmt: skip
    return replace(job, **changes)


def account(state: SlurmState, **changes: Any) -> JobAccount:
    known = JobAccount(
        job_id="7", state=state, exit_code=0, signal=0, submitted_at=at(1), started_at=at(2),
        ended_at=ENDED if state.is_terminal else None, elapsed_seconds=58, cpu_seconds=3.5, max_rss_bytes=1024,
        allocated_cpus=2, requested_memory_bytes=None, partition="main", account="users", nodes="node1",
        job_name="demo.c0ffee", work_dir=Path("/jobs/lab-x"), comment="",
    )  # fmt: skip
    return replace(known, **changes)


def look(
    now: datetime = LATE,
    job: JobInQueue | None = None,
    accounted: JobAccount | None = None,
    accounting: Accounting = Accounting.ANSWERED,
) -> Look:
    return Look(
        at=now,
        queue={UID: job} if job else {},
        accounts={UID: accounted} if accounted else {},
        accounting=accounting,
    )


def after(state: PodState, news: list[Observation]) -> PodState:
    for item in news:
        state = apply(state, item.event, item.at)
    return state


def kinds(news: list[Observation]) -> list[str]:
    return [item.event.kind for item in news]


def facts(*events: Event, pending: tuple[Event, ...] = (), **more: Any) -> NewFacts:
    return NewFacts(settled=tuple(timed(events, start=10)), pending=tuple(timed(pending, start=50)), **more)


RUNNING_POD = a_state(*RUNNING, began())


def test_a_living_job_moves_on_by_queue_and_report_together() -> None:
    news = conclude(a_state(*SUBMITTED), look(job=queued(SlurmState.RUNNING)), facts(began()))

    assert kinds(news) == ["job_started", "container_started"]


def test_what_happened_after_the_order_to_stop_waits_for_slurms_word() -> None:
    news = conclude(RUNNING_POD, look(job=queued(SlurmState.RUNNING)), facts(pending=(exited(143),), is_stopping=True))

    assert news == []


def test_accounting_is_believed_before_the_queue_for_it_has_the_exit_code() -> None:
    seen = look(job=queued(SlurmState.FAILED), accounted=account(SlurmState.FAILED, exit_code=9))

    assert after(RUNNING_POD, conclude(RUNNING_POD, seen, NewFacts())).exit_code == 9


def test_while_accounting_still_shows_it_running_the_queue_tells_the_end() -> None:
    seen = look(job=queued(SlurmState.TIMEOUT), accounted=account(SlurmState.RUNNING))

    ended = after(RUNNING_POD, conclude(RUNNING_POD, seen, NewFacts()))

    assert (ended.phase, ended.reason) == (Phase.FAILED, "DeadlineExceeded")


def test_the_pending_facts_come_with_the_end_and_its_reason() -> None:
    seen = look(accounted=account(SlurmState.TIMEOUT))

    ended = after(RUNNING_POD, conclude(RUNNING_POD, seen, facts(pending=(exited(143),))))

    end = ended.containers[0].termination
    assert end is not None
    assert (end.exit_code, end.reason, end.finished_at) == (143, "DeadlineExceeded", at(50))


def test_an_incomplete_report_gets_time_to_arrive() -> None:
    early = look(now=LATE - timedelta(seconds=1), accounted=account(SlurmState.COMPLETED))

    assert conclude(RUNNING_POD, early, NewFacts()) == []
    assert kinds(conclude(RUNNING_POD, early, facts(exited(0)))) == ["container_terminated", "job_succeeded"]
    assert kinds(conclude(RUNNING_POD, replace(early, at=LATE), NewFacts())) == [
        "container_terminated",
        "job_succeeded",
    ]


@pytest.mark.parametrize("ended", [account(SlurmState.CANCELLED, started_at=None, nodes=""), None])
def test_nobody_waits_for_the_report_of_a_job_that_cannot_write_one(ended: JobAccount | None) -> None:
    never_ran = look(now=ENDED, accounted=ended or account(SlurmState.FAILED))
    found = NewFacts(expected=ended is not None)

    assert conclude(a_state(*SUBMITTED), never_ran, found)[-1].event.kind == "job_failed"


def test_a_job_that_nobody_knows_is_missing_first_and_lost_after_a_while() -> None:
    news = conclude(RUNNING_POD, look(now=at(70)), NewFacts())
    assert kinds(news) == ["evidence_missing"]
    missing = after(RUNNING_POD, news)

    assert conclude(missing, look(now=at(69) + LOST_AFTER), NewFacts()) == []
    lost = after(missing, conclude(missing, look(now=at(70) + LOST_AFTER), NewFacts()))
    assert (lost.phase, lost.reason) == (Phase.FAILED, "JobLost")


def test_a_job_that_was_missing_and_came_back_gets_the_whole_time_again() -> None:
    missing = after(RUNNING_POD, conclude(RUNNING_POD, look(now=at(70)), NewFacts()))
    back = after(missing, conclude(missing, look(now=at(80), job=queued(SlurmState.RUNNING)), NewFacts()))

    assert kinds(conclude(back, look(now=at(9000)), NewFacts())) == ["evidence_missing"]


def test_accounting_that_fails_is_no_proof_that_a_job_is_gone() -> None:
    silent = look(now=at(9000), accounting=Accounting.FAILED)

    assert conclude(RUNNING_POD, silent, NewFacts()) == []
    assert kinds(conclude(RUNNING_POD, silent, facts(exited(0)))) == ["container_terminated"]


@pytest.mark.parametrize(("code", "phase"), [(0, Phase.DONE), (3, Phase.FAILED)])
@pytest.mark.parametrize("accounting", [Accounting.DISABLED, Accounting.FAILED, Accounting.ANSWERED])
def test_the_jobs_own_last_word_is_enough(code: int, phase: Phase, accounting: Accounting) -> None:
    seen = look(accounting=accounting)

    ended = after(RUNNING_POD, conclude(RUNNING_POD, seen, facts(exited(code), finished_code=code)))

    assert ended.phase is phase


def test_after_the_end_accounting_tells_what_was_used_once() -> None:
    done = a_state(*RUNNING, began(), exited(0), succeeded())

    (news,) = conclude(done, look(accounted=account(SlurmState.COMPLETED)), NewFacts())

    assert isinstance(news.event, ev.JobUsageRecorded)
    assert (news.event.cpu_seconds, news.event.max_rss_bytes, news.event.partition) == (3.5, 1024, "main")
    assert conclude(after(done, [news]), look(accounted=account(SlurmState.COMPLETED)), NewFacts()) == []


@pytest.mark.parametrize(
    ("accounting", "waited", "given_up"),
    [
        (Accounting.DISABLED, timedelta(), True),
        (Accounting.ANSWERED, timedelta(), False),
        (Accounting.ANSWERED, USAGE_PATIENCE + timedelta(seconds=1), True),
        (Accounting.FAILED, USAGE_PATIENCE * 9, False),
    ],
)
def test_usage_that_never_comes_is_given_up(accounting: Accounting, waited: timedelta, given_up: bool) -> None:
    pod = a_state(*RUNNING, failed())
    assert pod.finished_at is not None

    news = conclude(pod, look(now=pod.finished_at + waited, accounting=accounting), NewFacts())

    assert [item.event for item in news] == ([ev.JobUsageRecorded()] if given_up else [])


def test_a_refused_pod_has_no_job_to_ask_about() -> None:
    refused = a_state(SUBMITTED[0], ev.SubmissionFailed(reason="no"))

    assert conclude(refused, look(accounting=Accounting.DISABLED), NewFacts()) == []


STARTED_POD = a_state(*RUNNING)


def end_of_main(news: list[Observation], state: PodState = STARTED_POD) -> tuple[int, str, str]:
    termination = after(state, news).containers[0].termination
    assert termination is not None
    return termination.exit_code, termination.reason, termination.message


def test_the_jobs_own_exit_code_is_believed_before_accountings() -> None:
    """sacct of 22.05 prints codes of 128 and more less 128."""
    seen = look(accounted=account(SlurmState.FAILED, exit_code=127))

    news = conclude(STARTED_POD, seen, facts(finished_code=255))

    assert end_of_main(news)[0] == 255
    assert after(STARTED_POD, news).exit_code == 255


def test_a_job_that_ended_before_its_containers_says_why() -> None:
    seen = replace(look(accounted=account(SlurmState.FAILED, exit_code=5)), last_words={UID: "dataset missing"})

    code, reason, message = end_of_main(conclude(STARTED_POD, seen, facts(finished_code=5)))

    assert (code, reason) == (5, "Error")
    assert message.startswith("the job ended with exit code 5 before its containers started")
    assert message.endswith("; its last words: dataset missing")


def test_after_its_last_word_a_job_is_not_waited_for() -> None:
    seen = look(ENDED, accounted=account(SlurmState.FAILED, exit_code=5))

    assert kinds(conclude(STARTED_POD, seen, facts(finished_code=5)))[-1] == "job_failed"
    assert conclude(STARTED_POD, seen, facts()) == []


def test_a_job_that_neither_queue_nor_accounting_knows_speaks_too() -> None:
    seen = replace(look(), last_words={UID: "dataset missing"})

    news = conclude(STARTED_POD, seen, facts(finished_code=5))

    assert end_of_main(news)[0] == 5
    assert "dataset missing" in end_of_main(news)[2]


def test_of_jobs_that_cannot_report_nobody_says_that_they_ended_before_their_containers() -> None:
    seen = look(accounted=account(SlurmState.FAILED, exit_code=5))

    assert end_of_main(conclude(STARTED_POD, seen, facts(expected=False))) == (5, "Error", "")
