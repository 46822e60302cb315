"""Being told to stop, and leaving nothing behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sidecar.domain.pod import (
    JobOptions,
    RestartPolicy,
)
from sidecar.job import report
from sidecar.job.site import JobSite
from tests.jobs import a_container, a_pod, an_init_container
from tests.running import Starter, running, shell, wait_until


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
    # The container's process hears it twice, once from Slurm and once from the runtime, which was told too.
    ends = """trap 'trap "" TERM; exit 5' TERM; echo up; while :; do sleep 0.1; done"""
    job = start(
        a_pod(
            a_container("ends", "sh", "-c", ends),
            a_container("stays", "sh", "-c", 'trap "" TERM; echo up; sleep 475'),
            grace_seconds=1,
        )
    )
    job.wait_for("up", "ends")
    job.wait_for("up", "stays")
    os.killpg(job.process.pid, signal.SIGTERM)

    assert job.finish() == 5
    assert {"ContainerTerminated ends.0 5", "ContainerTerminated stays.0 137"} < set(job.story())
    assert job.story()[-1] == "JobFinished 5"


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


def test_a_killed_job_leaves_nothing_running_either(start: Starter, tmp_path: Path) -> None:
    job = start(shell("echo up; sleep 474"))
    job.wait_for("up")
    job.process.kill()

    wait_until(lambda: running("sleep 474") == [] and list((tmp_path / "node-tmp").iterdir()) == [])
    job.finish()
    assert running(str(job.files.script.with_name("quick.slurm"))) == []
