"""Which container runs when, and the job's code."""

from __future__ import annotations

import pytest

from sidecar.domain.pod import (
    EmptyDirVolume,
    Mount,
    RestartPolicy,
)
from sidecar.job_output import report
from tests.jobs import a_container, a_pod, an_init_container
from tests.running import Starter, wait_until


def test_init_containers_run_first_and_the_first_failing_main_container_gives_the_code(start: Starter) -> None:
    shared = (Mount(volume="shared", path="/shared"),)
    job = start(
        a_pod(
            an_init_container("one", "sh", "-c", "echo 1 > /shared/one", mounts=shared),
            an_init_container("two", "sh", "-c", "cat /shared/one > /shared/two", mounts=shared),
            a_container("good", "cat", "/shared/two", mounts=shared),
            a_container("bad", "sh", "-c", "exit 3"),
            a_container("worse", "sh", "-c", "exit 4"),
            volumes=(EmptyDirVolume(name="shared"),),
        )
    )

    assert job.finish() == 3
    assert job.log("good") == "1\n"
    assert job.story()[:5] == [
        "JobStarted",
        "ContainerStarted one.0",
        "ContainerTerminated one.0 0",
        "ContainerStarted two.0",
        "ContainerTerminated two.0 0",
    ]
    assert {"ContainerTerminated bad.0 3", "ContainerTerminated worse.0 4"} < set(job.story())
    assert job.story()[-1] == "JobFinished 3"


def test_a_failed_init_container_ends_the_pod(start: Starter) -> None:
    job = start(a_pod(an_init_container("one", "sh", "-c", "exit 9"), a_container("main", "true")))

    assert job.finish() == 9
    assert job.story() == ["JobStarted", "ContainerStarted one.0", "ContainerTerminated one.0 9", "JobFinished 9"]


def test_main_containers_run_side_by_side(start: Starter) -> None:
    pipe = (Mount(volume="v", path="/v"),)
    job = start(
        a_pod(
            a_container("reader", "sh", "-c", "until [ -p /v/p ]; do sleep 0.1; done; cat /v/p", mounts=pipe),
            a_container("writer", "sh", "-c", "mkfifo /v/p; echo met > /v/p", mounts=pipe),
            volumes=(EmptyDirVolume(name="v", in_memory=True),),
        )
    )

    assert job.finish() == 0
    assert job.log("reader") == "met\n"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("no-such-program", "executable file not found in $PATH"),
        ("/no/such/program", "no such file or directory"),
        ("/etc/passwd", "permission denied"),
        ("/etc", "is a directory"),
    ],
)
def test_a_command_that_cannot_be_executed_says_so_as_under_a_kubelet(start: Starter, program: str, words: str) -> None:
    job = start(a_pod(a_container("main", program)))

    assert job.finish() == 128
    (end,) = [fact for fact in job.facts if isinstance(fact, report.ContainerTerminated)]
    assert end.cannot_run is not None
    assert program in end.message
    assert words in end.message.lower().replace("$path", "$PATH")


def test_restart_on_failure_until_it_succeeds_with_a_log_for_each_attempt(start: Starter) -> None:
    text = "echo run; n=$(wc -l < /v/n || echo 0); echo x >> /v/n; [ $n -ge 2 ]"
    job = start(
        a_pod(
            a_container("main", "sh", "-c", text, mounts=(Mount(volume="v", path="/v"),)),
            volumes=(EmptyDirVolume(name="v"),),
            restart_policy=RestartPolicy.ON_FAILURE,
        )
    )

    assert job.finish() == 0
    assert job.story()[1:-1] == [
        "ContainerStarted main.0",
        "ContainerTerminated main.0 1",
        "ContainerRestarting main.1",
        "ContainerStarted main.1",
        "ContainerTerminated main.1 1",
        "ContainerRestarting main.2",
        "ContainerStarted main.2",
        "ContainerTerminated main.2 0",
    ]
    assert [f.delay for f in job.facts if isinstance(f, report.ContainerRestarting)] == [1, 2]
    assert "run" in job.log(attempt=2)


def test_always_restarts_mains_but_not_an_init_container_that_succeeded(start: Starter) -> None:
    job = start(
        a_pod(
            an_init_container("init", "true"),
            a_container("main", "echo", "hello"),
            restart_policy=RestartPolicy.ALWAYS,
        )
    )
    wait_until(lambda: "ContainerRestarting main.2" in job.story_so_far())
    job.terminate()

    assert job.finish() == 0
    assert job.log(attempt=1) == "hello\n"
    assert job.story().count("ContainerStarted init.0") == 1
    assert "ContainerStarted init.1" not in job.story()
