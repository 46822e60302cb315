"""News from jobs between two looks at Slurm; the test plays the job."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from sidecar.runner.contract import layout
from tests.factories import UID, a_pod_json, a_request, uid
from tests.integration.app import App, running
from tests.reporting import ReportingJob


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with running(tmp_path) as app:
        yield app


@pytest.fixture
def job(app: App) -> ReportingJob:
    """The job of a created pod, which rings; the daemon knows its bell."""
    job = created(app)
    listen(app)
    listen(app)
    return job


def created(app: App, pod_uid: str = UID) -> ReportingJob:
    app.create(a_request(a_pod_json(pod_uid=pod_uid)))
    job = app.job(pod_uid)
    job.can_ring()
    return job


def listen(app: App) -> bool:
    """One second's work."""
    return app.daemon.reconciler.read_news()


def phase(app: App, pod_uid: str = UID) -> str:
    return str(app.daemon.context.service.states([pod_uid])[pod_uid].phase)


def starts(job: ReportingJob) -> None:
    job.says("job_started", job="1", node="node1")


@pytest.fixture
def queries() -> Iterator[list[str]]:
    """What is asked of the database."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield asked
    event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The files that were opened since the last call."""
    names: list[str] = []
    real = os.open

    def note(path: str | os.PathLike[str], flags: int, mode: int = 0o777) -> int:
        names.append(os.fspath(path))
        return real(path, flags, mode)

    def since_last_call() -> list[str]:
        taken, names[:] = names[:], []
        return taken

    monkeypatch.setattr(os, "open", note)
    return since_last_call


def test_a_job_that_rings_is_heard(app: App, job: ReportingJob) -> None:
    starts(job)
    job.rings()
    listen(app)

    assert phase(app) == "Running"


def test_a_job_that_does_not_ring_is_found_at_the_next_look(app: App, job: ReportingJob) -> None:
    starts(job)
    listen(app)
    before = phase(app)
    app.daemon.reconciler.reconcile_once()

    assert (before, phase(app)) == ("Submitted", "Running")


def test_a_job_of_the_version_before_is_heard_without_a_bell(app: App) -> None:
    app.create(a_request())
    listen(app)
    starts(app.job())
    listen(app)

    assert phase(app) == "Running"


def test_a_new_pods_job_is_heard_before_the_next_look(app: App, job: ReportingJob) -> None:
    other = created(app, uid(2))
    starts(other)
    other.rings()
    listen(app)

    assert phase(app, uid(2)) == "Running"


def test_a_ring_that_comes_before_its_report_is_not_lost(app: App, job: ReportingJob) -> None:
    job.rings()
    listen(app)
    starts(job)
    listen(app)

    assert phase(app) == "Running"


def test_a_job_that_says_its_last_word_asks_for_a_few_looks_at_slurm(app: App, job: ReportingJob) -> None:
    starts(job)
    job.says("job_finished", code=0)
    job.rings()

    assert [listen(app) for _ in range(5)] == [True, True, True, False, False]


def test_a_report_that_is_too_long_to_be_read_at_once_is_read_to_its_end(app: App, job: ReportingJob) -> None:
    job.directory.report.write_bytes(b"no fact\n" * 50_000)
    starts(job)
    job.rings()
    for _ in range(3):
        listen(app)

    assert phase(app) == "Running"


def test_a_quiet_second_costs_one_look_at_a_bell_however_many_pods_there_are(
    app: App, job: ReportingJob, opened: Callable[[], list[str]], queries: list[str]
) -> None:
    for number in range(2, 12):
        starts(created(app, uid(number)))
    app.daemon.reconciler.reconcile_once()
    for _ in range(3):  # the bell is new to the listener, then it listens for echoes
        listen(app)
    opened()
    queries.clear()

    listen(app)

    assert opened() == [layout.bell(str(app.root / "jobs"), os.getuid())]
    assert queries == []


def test_only_the_reports_of_those_that_rang_are_read(
    app: App, job: ReportingJob, opened: Callable[[], list[str]]
) -> None:
    others = [created(app, uid(number)) for number in range(2, 5)]
    for _ in range(3):
        listen(app)
    opened()
    starts(others[0])
    others[0].rings()

    listen(app)

    assert [name for name in opened() if name.endswith("report.jsonl")] == [str(others[0].directory.report)]


def test_what_could_not_be_stored_is_taken_in_later(
    app: App, job: ReportingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts(job)
    job.rings()
    with monkeypatch.context() as patch:
        patch.setattr("sidecar.history.History.get_many", failing)
        with pytest.raises(OSError, match="gone"):
            listen(app)
    listen(app)

    assert phase(app) == "Running"


def failing(*_: object) -> None:
    raise OSError("gone")


def test_without_a_shared_folder_nobody_listens(tmp_path: Path, opened: Callable[[], list[str]]) -> None:
    with running(tmp_path, variables={"SHARED_FS": "false"}) as app:
        app.create(a_request())
        opened()

        assert (listen(app), opened()) == (False, [])
        assert not (tmp_path / "jobs" / layout.BELLS).exists()
