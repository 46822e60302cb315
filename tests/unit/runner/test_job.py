"""What everything in one job shares."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.runner.job import Job, job_id, node_name
from tests.unit.runner.documents import a_pod
from tests.unit.runner.loops import InstantLoop, closing


@pytest.fixture
def loop() -> Iterator[InstantLoop]:
    with closing(InstantLoop()) as loop:
        assert isinstance(loop, InstantLoop)
        yield loop


def a_job(loop: InstantLoop, root: Path, environment: dict[bytes, bytes] | None = None, **fields: Any) -> Job:
    document = a_pod(site={"data_root": str(root), "shared_fs": False}, **fields)
    path = str(root)
    return Job(loop, document, directory=path, files_root=path, private=path, environment=environment or {})


def told(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "report.jsonl").read_text().splitlines()]


def test_sigterm_asks_the_job_to_stop_and_begins_its_grace_period(loop: InstantLoop, tmp_path: Path) -> None:
    job = a_job(loop, tmp_path)
    job.heed_signals()

    async def whole() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await job.stopping

    try:
        loop.run(whole())
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert job.must_end
    assert job.grace_began == loop.now()
    assert [fact["fact"] for fact in told(tmp_path)] == ["job_stopping"]


def test_a_pod_expires_at_its_deadline_counted_from_the_jobs_beginning(loop: InstantLoop, tmp_path: Path) -> None:
    job = a_job(loop, tmp_path)
    began = loop.now()
    job.set_deadline(60, time.time() - 20)

    async def whole() -> None:
        await job.expired

    loop.run(whole())
    assert loop.now() - began == pytest.approx(40, abs=1)
    assert job.must_end
    assert told(tmp_path)[0]["seconds"] == 60


def test_a_deadline_that_has_passed_comes_at_once(loop: InstantLoop, tmp_path: Path) -> None:
    job = a_job(loop, tmp_path)
    began = loop.now()
    job.set_deadline(60, time.time() - 1000)

    async def whole() -> None:
        await job.expired

    loop.run(whole())
    assert loop.now() - began < 0.1


def test_a_forgotten_deadline_never_comes(loop: InstantLoop, tmp_path: Path) -> None:
    job = a_job(loop, tmp_path)
    job.forget_deadline()
    job.set_deadline(60, time.time())
    job.forget_deadline()
    loop.run(loop.sleep(100))

    assert not job.must_end
    assert not (tmp_path / "report.jsonl").exists()


def test_a_grace_period_begins_only_once(loop: InstantLoop, tmp_path: Path) -> None:
    job = a_job(loop, tmp_path)
    job.begin_grace()
    began = job.grace_began
    loop.run(loop.sleep(5))
    job.begin_grace()

    assert job.grace_began == began


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5\n", 5), ("0", 0), ("999999999", 999999999), ("9999999999", 30), ("-1", 30), ("", 30), ("x", 30), ("\xb2", 30)],
)
def test_a_deletion_may_change_the_grace_period(loop: InstantLoop, tmp_path: Path, text: str, seconds: int) -> None:
    (tmp_path / "grace").write_text(text)

    assert a_job(loop, tmp_path, grace_seconds=30).grace_seconds() == seconds


def test_without_a_deletion_the_grace_period_is_the_pods(loop: InstantLoop, tmp_path: Path) -> None:
    assert a_job(loop, tmp_path, grace_seconds=7).grace_seconds() == 7


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({b"SLURM_JOB_ID": b"7"}, "7"),
        ({b"SLURM_JOB_ID": b"8", b"SLURM_ARRAY_JOB_ID": b"7", b"SLURM_ARRAY_TASK_ID": b"3"}, "7_3"),
        ({}, "0"),
    ],
)
def test_a_job_is_called_as_squeue_calls_it(environment: dict[bytes, bytes], expected: str) -> None:
    assert job_id(environment) == expected


@pytest.mark.parametrize(("name", "expected"), [(b"n-1.x_y", "n-1.x_y"), (b'n"1\n', "n1")])
def test_a_node_is_called_as_slurm_calls_it(name: bytes, expected: str) -> None:
    assert node_name({b"SLURMD_NODENAME": name}) == expected


def test_outside_of_slurm_a_node_is_called_by_its_hostname() -> None:
    assert node_name({}) == os.uname().nodename


def test_variables_that_are_no_text_survive(loop: InstantLoop, tmp_path: Path) -> None:
    job = a_job(loop, tmp_path, {b"A": b"\xff", b"B": "é".encode()})

    assert job.variables == {"A": "\udcff", "B": "é"}
