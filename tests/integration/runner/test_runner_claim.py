"""Exactly one job runs a pod."""

from __future__ import annotations

from pathlib import Path

from sidecar.job_output import report
from sidecar.pod_files import directory
from sidecar.pod_files.paths import PodDirectory
from sidecar.pod_files.site import JobSite
from tests.jobs import a_plan
from tests.running import Starter, shell


def test_a_second_job_of_the_pod_leaves_without_a_trace(start: Starter) -> None:
    pod = shell("echo ran")
    job = start(pod)
    job.finish()
    told = job.files.report.read_text()
    twin = start(pod, job_id="124", again=True)

    assert twin.finish() == 0
    assert "job 123 has claimed the pod" in twin.output
    assert job.files.report.read_text() == told
    assert job.files.claim.read_text() == "123\n"


def test_of_many_twins_one_runs(start: Starter) -> None:
    pod = shell("echo ran")
    twins = [start(pod, job_id=str(id_), again=id_ > 200) for id_ in range(200, 210)]

    assert {twin.finish() for twin in twins} == {0}
    assert twins[0].log() == "ran\n"
    assert [type(f) for f in report.read(twins[0].files, 0).facts].count(report.JobStarted) == 1


def test_the_same_job_may_run_again(start: Starter) -> None:
    pod = shell("exit 2")
    start(pod).finish()
    again = start(pod, again=True)

    assert again.finish() == 2
    assert again.story().count("JobStarted") == 2


def test_a_deleted_pod_is_not_started(start: Starter, tmp_path: Path) -> None:
    pod = shell("echo ran")
    files = PodDirectory.of(tmp_path / "data", namespace=pod.namespace, uid=pod.uid)
    first = start(pod, job_id="1")
    first.finish()
    directory.remove(files)
    directory.write(pod, a_plan(pod), root=files.root.parent, token="t", site=JobSite(data_root=files.root.parent))
    directory.mark_deleted(files)
    job = start(pod, again=True)

    assert job.finish() == 0
    assert "the pod was deleted" in job.output
    assert not files.claim.exists()
