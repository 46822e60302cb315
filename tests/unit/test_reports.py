"""Reading jobs' reports: each time only what was added, and nothing lost in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.domain import events as ev
from sidecar.pod_files.paths import PodDirectory
from sidecar.reconciler.reports import NewFacts, Reports
from tests.factories import RUNNING, a_state, at
from tests.reporting import ReportingJob

POD = a_state(*RUNNING)


@pytest.fixture
def job(tmp_path: Path) -> ReportingJob:
    directory = PodDirectory.of(tmp_path, namespace=POD.namespace, uid=POD.uid)
    directory.logs.mkdir(parents=True)
    return ReportingJob(directory)


def reports_of(job: ReportingJob) -> Reports:
    return Reports(lambda pod: job.directory, shared_fs=True)


def kinds(facts: NewFacts) -> list[str]:
    return [event.kind for event, _ in facts.all]


def test_a_job_without_a_report_has_said_nothing(job: ReportingJob) -> None:
    assert reports_of(job).read(POD) == NewFacts()


def test_facts_become_events_at_the_nodes_times(job: ReportingJob) -> None:
    job.says("job_started", job="7", node="node1")
    job.says("image_pulling", container="main", attempt=0)
    job.says("container_started", container="main", attempt=0)
    job.says("container_terminated", container="main", attempt=0, code=3)
    job.says("container_restarting", container="main", attempt=1, delay=10)

    assert reports_of(job).read(POD).settled == (
        (ev.JobStarted(nodes="node1"), at(11)),
        (ev.ContainerStarted(container="main", attempt=0), at(13)),
        (ev.ContainerTerminated(container="main", attempt=0, exit_code=3, reason="Error"), at(14)),
        (ev.ContainerRestarting(container="main", attempt=1, delay_seconds=10), at(15)),
    )


def test_an_image_that_could_not_be_had_comes_with_the_runtimes_words(job: ReportingJob) -> None:
    job.directory.pull_log("main").write_text("INFO: trying\nFATAL: manifest unknown\n")
    job.says("image_failed", container="main", attempt=0)

    ((event, _),) = reports_of(job).read(POD).settled

    assert event == ev.ImagePullFailed(container="main", attempt=0, message="FATAL: manifest unknown")


def test_a_try_for_an_image_comes_with_the_runtimes_words(job: ReportingJob) -> None:
    job.directory.pull_log("main").write_text("FATAL: connection refused\n")
    job.says("image_backoff", container="main", attempt=0, tries=1, delay=10)

    ((event, _),) = reports_of(job).read(POD).settled

    assert event == ev.ImagePullBackOff(
        container="main", attempt=0, tries=1, delay_seconds=10, message="FATAL: connection refused"
    )


def test_what_was_taken_in_is_not_read_again(job: ReportingJob) -> None:
    reports = reports_of(job)
    job.says("container_started", container="main", attempt=0)
    reports.taken_in(POD.uid, reports.read(POD))
    job.says("container_terminated", container="main", attempt=0, code=0)

    assert kinds(reports.read(POD)) == ["container_terminated"]


def test_what_was_read_but_could_not_be_stored_is_read_again(job: ReportingJob) -> None:
    reports = reports_of(job)
    job.says("container_started", container="main", attempt=0)
    reports.read(POD)

    assert kinds(reports.read(POD)) == ["container_started"]


def test_an_unfinished_line_waits_for_its_end(job: ReportingJob) -> None:
    reports = reports_of(job)
    job.says("container_started", container="main", attempt=0, end="")
    unfinished = reports.read(POD)
    reports.taken_in(POD.uid, unfinished)
    with job.directory.report.open("a") as file:
        file.write("\n")

    assert kinds(unfinished) == []
    assert kinds(reports.read(POD)) == ["container_started"]


def test_facts_after_the_order_to_stop_stay_pending_until_the_end(job: ReportingJob) -> None:
    reports = reports_of(job)
    job.says("container_started", container="main", attempt=0)
    job.says("job_stopping", signal="TERM")
    job.says("container_terminated", container="main", attempt=0, code=143)
    first = reports.read(POD)
    reports.taken_in(POD.uid, first)
    job.says("job_finished", code=143)
    second = reports.read(POD)

    assert [event.kind for event, _ in first.pending] == ["container_terminated"]
    assert first.is_stopping
    assert (kinds(second), second.settled) == (["container_terminated"], ())
    assert second.finished_code == 143


def test_lines_that_are_no_facts_are_passed_over(job: ReportingJob) -> None:
    job.directory.report.write_text("hello\n{}\n[1]\n" + '{"fact": "container_started"}\n')
    job.says("container_started", container="main", attempt=0)

    assert kinds(reports_of(job).read(POD)) == ["container_started"]


def test_a_forgotten_pod_is_read_from_the_beginning(job: ReportingJob) -> None:
    reports = reports_of(job)
    job.says("container_started", container="main", attempt=0)
    reports.taken_in(POD.uid, reports.read(POD))

    reports.forget(POD.uid)

    assert kinds(reports.read(POD)) == ["container_started"]


def test_where_nodes_do_not_see_the_folder_no_report_is_expected(job: ReportingJob) -> None:
    reports = Reports(lambda pod: job.directory, shared_fs=False)
    facts = reports.read(POD)
    reports.taken_in(POD.uid, facts)

    assert (facts.expected, reports.read(POD).expected) == (False, False)


def test_the_last_word_of_a_job_asks_for_a_few_looks_at_slurm_and_then_no_more(job: ReportingJob) -> None:
    reports = reports_of(job)
    job.says("job_finished", code=0)

    asked = []
    for _ in range(10):
        facts = reports.read(POD)
        asked.append(facts.asks_for_a_look)
        reports.taken_in(POD.uid, facts)

    assert asked == [True] * 3 + [False] * 7
