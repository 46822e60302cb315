"""Being told to stop, and leaving nothing behind."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.domain.pod import (
    JobOptions,
    RestartPolicy,
)
from sidecar.job_output import report
from sidecar.pod_files.site import JobSite
from tests.jobs import UID, a_container, a_pod, an_init_container
from tests.running import STAYS, Starter, running, shell, wait_until


def test_a_container_that_is_told_to_stop_may_end_by_itself_and_is_told_once(start: Starter) -> None:
    job = start(
        shell(
            'trap "echo told; n=1\\$n" TERM; echo up; i=0; while [ $i -lt 15 ]; do sleep 0.1; i=$((i+1)); done; exit 5'
        )
    )
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 5
    assert job.log() == "up\ntold\n"
    assert job.story()[-3:] == ["JobStopping", "ContainerTerminated main.0 5", "JobFinished 5"]


def test_a_time_limit_tells_every_process_and_the_codes_are_still_the_containers_own(start: Starter) -> None:
    # The container's process hears it several times: from Slurm, from the runtime, which was told too, and from the
    # runner. Then it takes its time: a TERM in the moment of its end would make the runtime lose its code.
    ends = """trap 'trap "" TERM; sleep 2; exit 5' TERM; echo up; while :; do sleep 0.1; done"""
    job = start(
        a_pod(
            a_container("ends", "sh", "-c", ends),
            a_container("stays", "sh", "-c", 'trap "" TERM; echo up; sleep 475'),
            grace_seconds=4,
        )
    )
    job.wait_for("up", "ends")
    job.wait_for("up", "stays")
    os.killpg(job.process.pid, signal.SIGTERM)

    assert job.finish() == 5
    assert {"ContainerTerminated ends.0 5", "ContainerTerminated stays.0 137"} < set(job.story())
    assert job.story()[-1] == "JobFinished 5"


def test_the_end_of_a_container_is_never_told_before_the_request_that_caused_it(start: Starter) -> None:
    job = start(shell(STAYS))
    job.wait_for("up")
    os.killpg(job.process.pid, signal.SIGTERM)

    assert job.finish() == 143
    assert job.story()[-3:] == ["JobStopping", "ContainerTerminated main.0 143", "JobFinished 143"]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("tell", [os.kill, os.killpg], ids=["first_shell", "all_processes"])
def test_the_report_is_consistent_whenever_the_job_is_told_to_stop(
    start: Starter, tmp_path: Path, tell: Callable[[int, int], None], seed: int
) -> None:
    chance = random.Random(seed)
    ends = """trap 'trap "" TERM; exit 5' TERM; sleep 0.5"""
    containers = a_container("ends", "sh", "-c", ends), a_container("stays", "sh", "-c", 'trap "" TERM; sleep 476')
    jobs = []
    for number in range(3):
        pod = replace(a_pod(*containers, grace_seconds=1), uid=f"{UID[:-1]}{number}")
        jobs.append(start(pod, job_id=str(number + 1)))
        time.sleep(chance.uniform(0, 0.4))
    for job in jobs:
        tell(job.process.pid, signal.SIGTERM)
        time.sleep(chance.uniform(0, 0.2))

    for job in jobs:
        _check_story(job.finish(), job.story())
    assert running("sleep 476") == []
    assert list((tmp_path / "node-tmp").glob("*")) == []


def _check_story(code: int, story: list[str]) -> None:
    """Each container that started ended once, and the job's end is last. No story: the script had not yet begun."""
    if not story:
        assert code == -signal.SIGTERM
        return
    assert story[-1] == f"JobFinished {code}"
    assert story.count("JobStopping") == 1
    for name in "ends", "stays":
        ended = [fact for fact in story if fact.startswith(f"ContainerTerminated {name}.0")]
        assert len(ended) == story.count(f"ContainerStarted {name}.0")


@pytest.mark.parametrize("grace_seconds", [0, 1])
def test_what_ignores_it_is_killed_after_the_grace_period(start: Starter, grace_seconds: int) -> None:
    job = start(shell('trap "" TERM; echo up; sleep 471; echo late', grace_seconds=grace_seconds))
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 137
    assert job.story()[-3:] == ["JobStopping", "ContainerTerminated main.0 137", "JobFinished 137"]
    assert running("sleep 471") == []


def test_a_stopped_job_starts_nothing_more(start: Starter) -> None:
    job = start(
        a_pod(
            an_init_container("init", "sh", "-c", 'trap "exit 0" TERM; echo up; while :; do sleep 0.1; done'),
            a_container("main", "true"),
            restart_policy=RestartPolicy.ALWAYS,
        )
    )
    job.wait_for("up", "init")
    job.terminate()

    assert job.finish() == 143
    assert job.story()[-3:] == ["JobStopping", "ContainerTerminated init.0 0", "JobFinished 143"]


def test_back_off_ends_when_the_job_is_told_to_stop(start: Starter) -> None:
    job = start(shell("exit 6", restart_policy=RestartPolicy.ALWAYS))
    wait_until(lambda: "ContainerRestarting" in str(report.read(job.files, 0)))
    job.terminate()

    assert job.finish() == 6


def test_a_pull_is_broken_off_when_the_job_is_told_to_stop(start: Starter, tmp_path: Path) -> None:
    program = tmp_path / "slow-runtime"
    program.write_text("#!/bin/sh\ntouch pulling\nsleep 472\n")
    program.chmod(0o755)
    pod = a_pod(a_container("main", "true", image="docker://registry.invalid/image:1"))
    job = start(pod, site=JobSite(data_root=tmp_path, runtime_program=str(program)))
    wait_until((tmp_path / "pulling").exists)
    job.terminate()

    assert job.finish() == 143
    assert job.story()[1:] == ["ImagePulling main.0", "JobStopping", "JobFinished 143"]
    assert running("sleep 472") == []


def test_a_job_leaves_nothing_running(start: Starter) -> None:
    text = "(setsid sleep 473 &) ; (sleep 473 &); sleep 0.3; exit 0"
    options = JobOptions(pre_exec="sleep 473 &\n(sleep 473 &)")
    job = start(shell(text, options=options))

    assert job.finish() == 0
    assert running("sleep 473") == []
    assert [p for p in running("squashfuse") if str(job.files.root) in Path(f"/proc/{p}/cmdline").read_text()] == []


@pytest.mark.parametrize("pre_exec", ["", "true", "trap 'echo ended' EXIT"])
def test_a_killed_job_runs_nothing_more_and_the_next_one_removes_its_files(
    start: Starter, tmp_path: Path, pre_exec: str
) -> None:
    options = JobOptions(pre_exec=pre_exec)
    asleep = f"sleep {10**6 + os.getpid()}"  # of this test alone
    job = start(shell(f"echo up; exec {asleep}", options=options))
    job.wait_for("up")
    os.killpg(job.process.pid, signal.SIGKILL)
    job.finish()
    wait_until(lambda: running(asleep) == [])
    assert list((tmp_path / "node-tmp").iterdir()) != []
    next_job = start(replace(shell("true"), uid="another"), job_id="124")

    assert next_job.finish() == 0
    assert list((tmp_path / "node-tmp").iterdir()) == []
