"""A script that interLink brings ready-made, in place of the containers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.pod import JobOptions, Pod
from tests.jobs import a_container, a_pod, an_init_container
from tests.running import Starter, running


def scripted(text: str, *names: str, grace_seconds: int = 30, options: JobOptions | None = None) -> Pod:
    containers = [a_container(name, "echo", "never") for name in names or ("main",)]
    pod = a_pod(an_init_container("setup", "false"), *containers, grace_seconds=grace_seconds, options=options)
    return replace(pod, job_script=text)


def test_it_runs_once_in_place_of_the_containers(start: Starter) -> None:
    options = JobOptions(pre_exec="echo pre-exec; export FROM=pre-exec", mpi_flags=())
    job = start(scripted("#!/bin/sh\necho out; echo err >&2; echo $FROM; exit 6", options=options))

    assert job.finish() == 6
    assert job.output == "pre-exec\n"
    assert job.log() == "out\nerr\npre-exec\n"
    assert job.story() == [
        "JobStarted",
        "ContainerStarted setup.0",
        "ContainerTerminated setup.0 0",
        "ContainerStarted main.0",
        "ContainerTerminated main.0 6",
        "JobFinished 6",
    ]


def test_its_first_line_names_its_interpreter(start: Starter) -> None:
    job = start(scripted("#!/usr/bin/awk -f\nBEGIN { print 6 * 7 }"))

    assert job.finish() == 0
    assert job.log() == "42\n"


def test_it_may_tell_how_each_container_ended_and_write_each_log(start: Starter) -> None:
    text = """
    echo first >$SANDBOX/run-main.out; echo 0 >$SANDBOX/run-main.status
    echo second >>$workingPath/run-other.out; echo 9 >run-other.status
    echo prepared >init-setup.out; echo 0 >init-setup.status
    """
    job = start(scripted(text, "main", "other", "third"))

    assert job.finish() == 9
    assert [job.log("main"), job.log("other"), job.log("setup")] == ["first\n", "second\n", "prepared\n"]
    assert job.story()[-4:] == [
        "ContainerTerminated main.0 0",
        "ContainerTerminated other.0 9",
        "ContainerTerminated third.0 9",
        "JobFinished 9",
    ]


def test_what_it_started_is_told_to_end_with_it(start: Starter) -> None:
    text = "trap 'echo told; exit 3' TERM\necho up\nsleep 6789\necho went on"
    job = start(scripted(text))
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 3
    assert "told" in job.log()
    assert "went on" not in job.log()
    assert not running("sleep 6789")
    assert job.story()[-3:] == ["JobStopping", "ContainerTerminated main.0 3", "JobFinished 3"]


def test_it_is_killed_when_its_grace_period_is_over(start: Starter) -> None:
    job = start(scripted("trap '' TERM\necho up\nwhile :; do sleep 0.1; done", grace_seconds=1))
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 137
    assert job.story()[-2:] == ["ContainerTerminated main.0 137", "JobFinished 137"]


def test_the_pod_s_deadline_ends_it_and_the_job_has_failed_whatever_it_says(start: Starter) -> None:
    pod = scripted("#!/bin/bash\ntrap 'exit 0' TERM\nwhile :; do sleep 0.1; done")
    job = start(replace(pod, deadline_seconds=5))

    assert job.finish() == 143
    assert job.story()[-3:] == ["DeadlineExceeded", "ContainerTerminated main.0 143", "JobFinished 143"]


def test_a_second_job_does_not_run_it_again(start: Starter) -> None:
    pod = scripted("echo ran")
    assert start(pod).finish() == 0
    twin = start(pod, job_id="124", again=True)

    assert twin.finish() == 0
    assert twin.output == "slurm-sidecar: job 124 runs nothing: job 123 has claimed the pod\n"
    assert twin.log() == "ran\n"


@pytest.mark.parametrize("removed", ["$SANDBOX", "$SANDBOX/../*"])
def test_it_may_remove_its_folder(start: Starter, removed: str) -> None:
    job = start(scripted(f"#!/bin/sh\nrm -rf {removed}\nexit 3"))

    assert job.finish() == 3
    assert job.output == ""
    assert job.story()[-2:] == ["ContainerTerminated main.0 3", "JobFinished 3"]


def test_a_code_that_no_process_can_have_still_fails_the_job(start: Starter) -> None:
    job = start(scripted("#!/bin/sh\necho 256 >$SANDBOX/run-main.status"))

    assert job.finish() == 255
    assert job.story()[-1] == "JobFinished 255"
