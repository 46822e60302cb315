"""The job's report as the supervisor writes it and the daemon reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.job_output import report as daemons
from sidecar.pod_files.paths import PodDirectory
from sidecar.runner.contract.facts import FACTS, OPTIONAL
from sidecar.runner.report import Report

VALUES: dict[str, Any] = {
    "job": "7",
    "node": "n1",
    "container": "main",
    "attempt": 0,
    "tries": 1,
    "delay": 10,
    "message": "it says so",
    "started": True,
    "ready": False,
    "check": "liveness",
    "code": 3,
    "oom": True,
    "cannot_run": 128,
    "seconds": 60,
    "signal": "TERM",
}


@pytest.fixture
def pod(tmp_path: Path) -> PodDirectory:
    directory = PodDirectory(tmp_path / "lab-u-1")
    directory.root.mkdir()
    return directory


def report_of(pod: PodDirectory, bell: str = "") -> Report:
    return Report(str(pod.report), bell)


def test_every_kind_of_fact_is_read_by_the_daemon(pod: PodDirectory) -> None:
    report = report_of(pod)
    for kind, fields in FACTS.items():
        report.write((kind, {name: VALUES[name] for name in fields}))
        needed = [name for name in fields if name not in OPTIONAL or (kind == "container_health" and name != "message")]
        report.write((kind, {name: VALUES[name] for name in needed}))

    assert len(daemons.read(pod, 0).facts) == 2 * len(FACTS)


@pytest.mark.parametrize("fields", [{}, {"code": 1, "else": 2}, {"else": 2}])
def test_a_fact_with_other_fields_is_an_error(pod: PodDirectory, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="job_finished has the fields code"):
        report_of(pod).write(("job_finished", fields))
    assert not pod.report.exists()


def test_facts_of_one_write_have_one_time_and_a_field_without_value_is_left_out(pod: PodDirectory) -> None:
    end = {"container": "main", "attempt": 0, "code": 1, "message": None}
    report_of(pod).write(("container_terminated", end), ("job_finished", {"code": 1}))
    first, second = map(json.loads, pod.report.read_text().splitlines())

    assert first["at"] == second["at"]
    assert "message" not in first


def test_that_a_job_stops_is_said_once(pod: PodDirectory) -> None:
    report = report_of(pod)
    report.write_stopping()
    report.write_stopping("INT")

    assert [line for line in pod.report.read_text().splitlines() if '"TERM"' in line] == [
        *pod.report.read_text().splitlines()
    ]
    assert len(pod.report.read_text().splitlines()) == 1


@given(st.text())
def test_any_message_is_one_line_of_ascii(tmp_path_factory: pytest.TempPathFactory, message: str) -> None:
    path = tmp_path_factory.mktemp("report") / "report.jsonl"
    Report(str(path), "").write(("image_failed", {"container": "main", "attempt": 0, "message": message}))
    (line,) = path.read_bytes().decode("ascii").splitlines()

    assert json.loads(line)["message"] == message


def test_each_write_rings_the_bell_with_the_pods_name(pod: PodDirectory, tmp_path: Path) -> None:
    bell = tmp_path / "1001"
    report = report_of(pod, str(bell))
    report.write(("job_finished", {"code": 0}))
    report.write(("job_finished", {"code": 0}))

    assert bell.read_text() == "lab-u-1\nlab-u-1\n"
    assert bell.stat().st_mode & 0o777 == 0o600


def test_without_a_bell_the_report_is_written_all_the_same(pod: PodDirectory, tmp_path: Path) -> None:
    report_of(pod, str(tmp_path / "gone" / "1001")).write(("job_finished", {"code": 0}))

    assert len(daemons.read(pod, 0).facts) == 1


def test_the_report_is_appended_to_a_file_that_somebody_put_there_anew(pod: PodDirectory) -> None:
    report = report_of(pod)
    report.write(("job_finished", {"code": 0}))
    pod.report.unlink()
    report.write(("job_finished", {"code": 1}))

    assert [json.loads(line)["code"] for line in pod.report.read_text().splitlines()] == [1]
