"""A runtime that cannot start a container at the first try, and what a container then gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.domain.pod import RestartPolicy
from sidecar.job_output import report
from sidecar.pod_files.site import JobSite
from tests.jobs import a_container, a_pod
from tests.running import Job, Starter, wait_until

Failing = Callable[[str, str], JobSite]
MOUNT_FAILED = "FATAL:   container creation failed: squashfuse_ll failed to mount /x in 10s"
NO_OVERLAY = "FATAL:   container creation failed: while setting overlay session layout: fuse-overlayfs is not there"


@pytest.fixture
def failing(tmp_path: Path) -> Failing:
    """A runtime that fails with these words while the condition holds; ``$calls`` counts its calls."""

    def make(words: str, condition: str) -> JobSite:
        program = tmp_path / "runtime"
        program.write_text(
            f"#!/bin/bash\necho x >>{tmp_path}/calls\ncalls=$(wc -l <{tmp_path}/calls)\n"
            f"if {condition}; then echo '{words}' >&2; exit 255; fi\nexec apptainer \"$@\"\n"
        )
        program.chmod(0o755)
        return JobSite(data_root=tmp_path, runtime_program=str(program))

    return make


def end_of(job: Job) -> report.ContainerTerminated:
    (end,) = [fact for fact in job.facts if isinstance(fact, report.ContainerTerminated)]
    return end


@pytest.mark.parametrize("policy", RestartPolicy)
def test_a_start_that_fails_once_is_made_again_whatever_the_policy(
    start: Starter, failing: Failing, policy: RestartPolicy
) -> None:
    site = failing(MOUNT_FAILED, "[ $calls = 1 ]")
    text = "touch /new && echo can write; exit 0"
    job = start(a_pod(a_container("main", "sh", "-c", text), restart_policy=policy), site=site)
    if policy is RestartPolicy.ALWAYS:
        wait_until(lambda: "ContainerRestarting main.1" in job.story_so_far())
        job.terminate()

    assert job.finish() == 0
    assert job.log() == (
        f"{MOUNT_FAILED}\nslurm-sidecar: the container could not be started; it is tried again in 1 s\ncan write\n"
    )
    assert job.story()[1:3] == ["ContainerStarted main.0", "ContainerTerminated main.0 0"]


def test_a_node_that_cannot_make_an_image_writable_starts_it_read_only(start: Starter, failing: Failing) -> None:
    site = failing(NO_OVERLAY, '[[ " $* " == *" --overlay "* ]]')
    job = start(a_pod(a_container("main", "sh", "-c", "touch /new || echo refused")), site=site)

    assert job.finish() == 0
    assert "cannot make the image writable; it is started read-only" in job.log()
    assert job.log().endswith("refused\n")
    assert job.story()[1:3] == ["ContainerStarted main.0", "ContainerTerminated main.0 0"]


def test_a_failure_that_no_try_will_mend_is_told_at_once(start: Starter, failing: Failing, tmp_path: Path) -> None:
    site = failing("FATAL:   unknown flag: --nonsense", "true")
    job = start(a_pod(a_container("main", "true")), site=site)

    assert job.finish() == 128
    assert (tmp_path / "calls").read_text() == "x\n"
    assert end_of(job).cannot_run == 255
    assert "unknown flag: --nonsense" in end_of(job).message
    assert job.story() == ["JobStarted", "ContainerTerminated main.0 128", "JobFinished 128"]


def test_a_program_that_ends_with_the_runtimes_code_is_a_program_that_ended(start: Starter) -> None:
    job = start(a_pod(a_container("main", "sh", "-c", "echo FATAL: mine; exit 255")))

    assert job.finish() == 255
    assert end_of(job).cannot_run is None


def test_a_container_that_floods_its_log_is_not_held_up_and_nothing_is_lost(start: Starter) -> None:
    text = "head -c 30000000 /dev/zero | tr '\\0' 'x'; echo; echo end"
    job = start(a_pod(a_container("flood", "sh", "-c", text), a_container("quiet", "echo", "here")))

    assert job.finish() == 0
    assert job.files.log("flood", 0).stat().st_size == 30_000_005
    assert job.log("flood").endswith("x\nend\n")
    assert job.log("quiet") == "here\n"


def test_a_log_is_rotated_at_the_sites_size_between_two_lines(start: Starter, tmp_path: Path) -> None:
    site = JobSite(data_root=tmp_path, log_max_bytes=1000, log_max_files=3)
    text = "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done"
    job = start(a_pod(a_container("main", "sh", "-c", text)), site=site)

    assert job.finish() == 0
    log = job.files.log("main", 0)
    files = [Path(f"{log}.2"), Path(f"{log}.1"), log]
    kept = "".join(file.read_text() for file in files)
    assert sorted(log.parent.glob("main.0.log*")) == sorted(files)
    assert all(file.stat().st_size <= 1000 for file in files)
    assert all(file.read_text().startswith("line ") for file in files)
    assert "".join(f"line {number}\n" for number in range(500)).endswith(kept)
