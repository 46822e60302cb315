"""``/getLogs`` over real HTTP; the test plays the job and writes its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories import OTHER_UID, a_pod_json, a_request
from tests.integration.app import App, log_request, running
from tests.reporting import ReportingJob


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with running(tmp_path) as app:
        yield app


@pytest.fixture
def job(app: App) -> ReportingJob:
    """The job of a created pod, whose container has begun to run."""
    app.create(a_request(a_pod_json(restartPolicy="Always")))
    job = app.job()
    job.says("job_started", job="1", node="node1")
    job.says("container_started", container="main", attempt=0)
    app.daemon.reconciler.read_reports()
    return job


def test_a_log_is_streamed_as_plain_text(app: App, job: ReportingJob) -> None:
    job.prints("one\ntwo\nthree\n")

    answer = app.logs()

    assert (answer.status_code, answer.text) == (200, "one\ntwo\nthree\n")
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_part_of_a_log_is_given(app: App, job: ReportingJob) -> None:
    job.prints("one\ntwo\nthree\n")

    assert app.logs(Tail=2).text == "two\nthree\n"
    assert app.logs(Bytes=5).text == "one\nt"
    assert app.logs(Tail=0, Bytes=0, SinceSeconds=0, SinceTime="0001-01-01T00:00:00Z").text == "one\ntwo\nthree\n"


def test_an_unfinished_line_is_one_of_the_last_lines_only_when_the_container_has_ended(
    app: App, job: ReportingJob
) -> None:
    job.prints("one\ntwo\n50 %")
    running = app.logs(Tail=1).text
    job.says("container_terminated", container="main", attempt=0, code=0)
    app.daemon.reconciler.read_reports()

    assert running == "two\n50 %"
    assert app.logs(Tail=1).text == "50 %"
    assert app.logs(Tail=1, Follow=True).text == "50 %"


def test_following_ends_with_the_container_and_misses_nothing(app: App, job: ReportingJob) -> None:
    job.prints("one\n")
    body = json.dumps(log_request(Follow=True)).encode()

    with app.client.stream("GET", "/getLogs", content=body) as stream:
        chunks = stream.iter_text()
        assert next(chunks) == "one\n"
        job.prints("two\n")
        assert next(chunks) == "two\n"
        job.prints("three, unfinished")
        job.says("container_terminated", container="main", attempt=0, code=0)
        app.daemon.reconciler.read_reports()
        assert "".join(chunks) == "three, unfinished"


def test_following_ends_when_the_sidecar_stops(app: App, job: ReportingJob) -> None:
    job.prints("one\n")

    with app.client.stream("GET", "/getLogs", content=json.dumps(log_request(Follow=True)).encode()) as stream:
        chunks = stream.iter_text()
        assert next(chunks) == "one\n"
        app.daemon.stopping.set()
        assert "".join(chunks) == ""


def test_a_reader_that_goes_away_disturbs_nobody(app: App, job: ReportingJob) -> None:
    job.prints("one\n")
    with app.client.stream("GET", "/getLogs", content=json.dumps(log_request(Follow=True)).encode()) as stream:
        assert next(stream.iter_text()) == "one\n"

    assert app.logs().text == "one\n"


def test_the_run_before_is_given_where_there_was_one(app: App, job: ReportingJob) -> None:
    job.prints("first\n")
    refused = app.logs(Previous=True)
    job.says("container_terminated", container="main", attempt=0, code=1)
    job.says("container_restarting", container="main", attempt=1, delay=10)
    app.daemon.reconciler.read_reports()
    while_backing_off = app.logs()
    job.says("container_started", container="main", attempt=1)
    job.prints("second\n", attempt=1)
    app.daemon.reconciler.read_reports()

    assert (refused.status_code, "it never restarted" in refused.text) == (404, True)
    assert while_backing_off.text == "first\n"
    assert app.logs().text == "second\n"
    assert app.logs(Previous=True).text == "first\n"


def test_a_container_that_has_not_started_has_no_log_and_says_what_it_waits_for(app: App) -> None:
    app.create(a_request())

    answer = app.logs()

    assert answer.status_code == 404
    assert answer.text == "container 'main' is waiting to start: Submitted (Slurm job 1 is in the queue)"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ContainerName": "other"}, "pod demo has no container 'other'; it has main"),
        ({"PodUID": OTHER_UID}, f"there is no record of pod {OTHER_UID}"),
    ],
)
def test_what_is_not_there_is_told(app: App, job: ReportingJob, fields: dict[str, str], message: str) -> None:
    answer = app.ask("GET", "/getLogs", log_request() | fields)

    assert (answer.status_code, answer.text) == (404, message)


@pytest.mark.parametrize("opts", [{"Tail": -1}, {"Tail": "all"}, {"SinceTime": "yesterday"}])
def test_options_that_cannot_be_are_refused(app: App, job: ReportingJob, opts: dict[str, object]) -> None:
    answer = app.logs(**opts)

    assert answer.status_code == 400
    assert "$.Opts." in answer.text


def test_a_log_behind_a_link_is_not_given(app: App, job: ReportingJob) -> None:
    (job.directory.log("main", 0)).symlink_to("/etc/passwd")

    answer = app.logs()

    assert answer.status_code == 404
    assert "root:" not in answer.text


def test_a_pod_whose_job_ended_before_its_containers_shows_the_jobs_own_output(app: App) -> None:
    app.create(a_request())
    job = app.job()
    job.says("job_started", job="1", node="node1")
    job.says("job_finished", code=255)
    job.directory.output.write_text("loading modules\ndataset missing\n")
    app.daemon.reconciler.reconcile_once()

    (entry,) = app.status(a_pod_json())
    ended = entry["containers"][0]["state"]["terminated"]

    assert ended["exitCode"] == 255
    assert ended["message"].startswith("the job ended with exit code 255 before its containers started")
    assert ended["message"].endswith("its last words: loading modules\ndataset missing")
    assert app.logs().text == "loading modules\ndataset missing\n"
    assert app.logs(Tail=1, Follow=True).text == "dataset missing\n"


def test_a_job_whose_output_is_a_link_shows_nothing_of_it(app: App, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    app.create(a_request())
    job = app.job()
    job.says("job_started", job="1", node="node1")
    job.says("job_finished", code=5)
    job.directory.output.symlink_to(tmp_path / "secret")
    app.daemon.reconciler.reconcile_once()

    (entry,) = app.status(a_pod_json())

    assert "secret" not in str(entry)
    assert app.logs().status_code == 404
