"""Native sidecars, deadlines and restarts: containers beside one another, from the first start to the last end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.domain.health import ExecAction, Probe
from sidecar.domain.pod import Container, ContainerRole, EmptyDirVolume, Mount, Pod, RestartPolicy
from sidecar.pod_files.site import JobSite
from tests.jobs import UID, a_container, a_pod, an_init_container
from tests.running import Job, Starter, running, wait_until

BOX = EmptyDirVolume(name="box")
IN_BOX = (Mount(volume="box", path="/box"),)
CHANCES = [(policy, most) for policy in (RestartPolicy.ALWAYS, RestartPolicy.ON_FAILURE) for most in (0, 2)]
STAYS = "while :; do sleep 0.1; done"
OBEYS = f"trap 'echo told >>/box/told; exit 3' TERM; echo up; {STAYS}"
IGNORES = 'trap "" TERM; echo up; while :; do sleep 8811; done'


def main(text: str, name: str = "main") -> Container:
    return a_container(name, "sh", "-c", text, mounts=IN_BOX)


def init(text: str, name: str = "setup") -> Container:
    return an_init_container(name, "sh", "-c", text, mounts=IN_BOX)


def beside(text: str, name: str = "side") -> Container:
    """A native sidecar."""
    return replace(main(text, name), role=ContainerRole.SIDECAR)


def pod_of(
    *containers: Container, number: int = 0, deadline_seconds: int | None = None, grace_seconds: int = 30
) -> Pod:
    pod = a_pod(*containers, volumes=(BOX,), grace_seconds=grace_seconds)
    return replace(pod, uid=f"{UID[:-1]}{number}", deadline_seconds=deadline_seconds)


def told(job: Job) -> list[str]:
    return (job.files.empty_dir("box") / "told").read_text().split()


def in_order(story: list[str], *facts: str) -> bool:
    """Whether these were reported in this order."""
    positions = [story.index(fact) for fact in facts]
    return positions == sorted(positions)


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path, start: Starter) -> Iterator[None]:
    yield
    assert running("sleep 8811") == []
    assert running("sleep 8812") == []
    assert list((tmp_path / "node-tmp").iterdir()) == []


def test_each_waits_until_the_one_before_has_started_and_all_sidecars_run_beside_the_mains(start: Starter) -> None:
    probed = replace(
        beside(f"sleep 0.5; touch /box/probed; {OBEYS}", "probed"),
        startup=Probe(action=ExecAction(command=("test", "-e", "/box/probed")), period_seconds=1),
    )
    hooked = replace(
        beside(f"[ -e /box/probed ] && touch /box/hooked; {OBEYS}", "hooked"),
        post_start=ExecAction(command=("sh", "-c", "until [ -e /box/hooked ]; do sleep 0.1; done; touch /box/done")),
    )
    job = start(
        pod_of(
            init("[ ! -e /box/probed ]", "before"),
            probed,
            init("[ -e /box/probed ] && [ ! -e /box/hooked ]", "between"),
            hooked,
            main("[ -e /box/done ] && [ ! -e /box/told ]"),
        )
    )

    assert job.finish() == 0
    assert in_order(
        job.story(),
        "ContainerTerminated before.0 0",
        "ContainerStarted probed.0",
        "ContainerHealth probed.0",
        "ContainerStarted between.0",
        "ContainerTerminated between.0 0",
        "ContainerStarted hooked.0",
        "ContainerHealth hooked.0",
        "ContainerStarted main.0",
        "ContainerTerminated main.0 0",
        "ContainerTerminated hooked.0 3",
        "ContainerTerminated probed.0 3",
        "JobFinished 0",
    )


def test_a_sidecar_is_started_again_whatever_its_code_and_the_mains_go_on(start: Starter) -> None:
    ends = "echo x >>/box/starts; n=$(wc -l </box/starts); [ $n -gt 2 ] || exit $((n - 1)); touch /box/third; "
    job = start(pod_of(beside(ends + OBEYS), main("until [ -e /box/third ]; do sleep 0.1; done; exit 4")))

    assert job.finish() == 4
    side = [fact for fact in job.story() if "side." in fact]
    assert side == [
        "ContainerStarted side.0",
        "ContainerTerminated side.0 0",
        "ContainerRestarting side.1",
        "ContainerStarted side.1",
        "ContainerTerminated side.1 1",
        "ContainerRestarting side.2",
        "ContainerStarted side.2",
        "ContainerTerminated side.2 3",
    ]


def test_after_the_mains_sidecars_end_one_by_one_and_what_ignores_it_is_killed(start: Starter) -> None:
    names = "first", "second"
    stubborn = [beside(IGNORES, name) for name in names]
    job = start(pod_of(*stubborn, main("exit 0"), grace_seconds=1))

    assert job.finish() == 0
    ends = [fact for fact in job.story() if fact.startswith("ContainerTerminated")]
    assert ends == ["ContainerTerminated main.0 0", *(f"ContainerTerminated {name}.0 137" for name in reversed(names))]


def test_a_sidecar_in_its_back_off_does_not_hold_up_the_end(start: Starter) -> None:
    job = start(pod_of(beside("exit 9"), main("until [ -e /box/go ]; do sleep 0.1; done")))
    wait_until(lambda: "ContainerRestarting side.2" in job.story_so_far())
    (job.files.empty_dir("box") / "go").touch()

    assert job.finish() == 0
    assert job.story()[-1] == "JobFinished 0"


def test_after_a_failed_init_container_the_sidecars_are_ended(start: Starter) -> None:
    job = start(pod_of(beside(OBEYS), init("exit 7"), main("true")))

    assert job.finish() == 7
    assert job.story()[-3:] == ["ContainerTerminated setup.0 7", "ContainerTerminated side.0 3", "JobFinished 7"]
    assert "ContainerStarted main.0" not in job.story()


def test_a_sidecar_that_never_starts_keeps_the_rest_from_starting(start: Starter) -> None:
    never = replace(beside("sleep 1; exit 0", "never"), startup=Probe(action=ExecAction(command=("false",))))
    job = start(pod_of(beside(OBEYS), never, main("true")), site=JobSite(data_root=Path("/"), most_restarts=0))

    assert job.finish() != 0
    assert {"ContainerTerminated never.0 0", "ContainerTerminated side.0 3"} < set(job.story())
    assert "ContainerStarted main.0" not in job.story()


def test_a_stopped_job_ends_its_mains_first_then_its_sidecars_one_by_one(start: Starter) -> None:
    slow = "trap 'sleep 1; echo main >>/box/told; exit 0' TERM; echo up; " + STAYS
    sides = [beside(OBEYS.replace("echo told", f"echo {name}"), name) for name in ("first", "second")]
    job = start(pod_of(*sides, main(slow)))
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 0
    assert told(job) == ["main", "second", "first"]
    assert job.story()[-5:-1] == [
        "JobStopping",
        *(f"ContainerTerminated {end}" for end in ("main.0 0", "second.0 3", "first.0 3")),
    ]


def test_a_stop_while_a_sidecar_starts_ends_all_sidecars(start: Starter) -> None:
    slow = replace(beside(OBEYS, "slow"), startup=Probe(action=ExecAction(command=("false",)), failure_threshold=99))
    job = start(pod_of(beside(OBEYS), slow, main("true")))
    job.wait_for("up", "slow")
    job.terminate()

    assert job.finish() != 0
    assert job.story()[-4:-1] == ["JobStopping", "ContainerTerminated slow.0 3", "ContainerTerminated side.0 3"]


def test_no_container_is_started_again_more_often_than_the_site_allows(start: Starter, tmp_path: Path) -> None:
    fails = pod_of(main("exit 6"))
    jobs = [
        start(
            replace(fails, uid=f"{UID[:-1]}{number}", restart_policy=policy),
            site=JobSite(data_root=tmp_path, most_restarts=most),
            job_id=str(number),
        )
        for number, (policy, most) in enumerate(CHANCES)
    ]

    for job, (_, most) in zip(jobs, CHANCES, strict=True):
        assert job.finish() == 6
        assert [fact for fact in job.story() if fact.startswith("ContainerTerminated")] == [
            f"ContainerTerminated main.{attempt} 6" for attempt in range(most + 1)
        ]


def test_what_ignores_a_stop_or_a_time_limit_is_killed_and_nothing_is_left(start: Starter) -> None:
    """A time limit tells all processes, a stop the first one."""
    orphans = "(setsid sleep 8812 &); sh -c '(sleep 8812 &)'; "
    containers = beside(orphans + IGNORES), main(orphans + IGNORES)
    tells = [os.kill, os.killpg]
    jobs = [start(pod_of(*containers, number=n, grace_seconds=1), job_id=str(n)) for n in range(len(tells))]
    for job, tell in zip(jobs, tells, strict=True):
        job.wait_for("up")
        job.wait_for("up", "side")
        tell(job.process.pid, signal.SIGTERM)

    for job in jobs:
        assert job.finish() == 137
        assert {"ContainerTerminated main.0 137", "ContainerTerminated side.0 137"} < set(job.story())
    assert in_order(jobs[0].story(), "JobStopping", "ContainerTerminated main.0 137", "ContainerTerminated side.0 137")


def test_the_deadline_ends_a_pod_wherever_it_is_and_the_job_has_failed_whatever_is_said(start: Starter) -> None:
    """Pods side by side, as each has to wait for its time."""
    obeys = f"trap 'exit 0' TERM; {STAYS}"
    pods = {
        "in_init": pod_of(init(obeys), main("true"), number=1),
        "in_main": pod_of(beside(OBEYS), main(obeys), number=2),
        "in_back_off": replace(pod_of(main("exit 6"), number=3), restart_policy=RestartPolicy.ALWAYS),
        "ignores_it": pod_of(main(IGNORES), number=4, grace_seconds=1),
    }
    jobs = {
        name: start(replace(pod, deadline_seconds=3), job_id=str(number))
        for number, (name, pod) in enumerate(pods.items())
    }

    codes = {name: job.finish() for name, job in jobs.items()}
    assert codes == {"in_init": 143, "in_main": 143, "in_back_off": 6, "ignores_it": 137}
    assert all("DeadlineExceeded" in job.story() for job in jobs.values())
    assert "ContainerStarted main.0" not in jobs["in_init"].story()
    assert jobs["in_main"].story()[-4:] == [
        "DeadlineExceeded",
        "ContainerTerminated main.0 0",
        "ContainerTerminated side.0 3",
        "JobFinished 143",
    ]


def test_a_pod_whose_mains_have_ended_in_time_does_not_fail_by_its_sidecars(start: Starter) -> None:
    slow = "trap 'sleep 12; exit 1' TERM; echo up; " + STAYS  # a busy machine takes seconds to start the pod
    job = start(pod_of(beside(slow), main("true"), deadline_seconds=12))

    assert job.finish() == 0
    assert "DeadlineExceeded" not in job.story()
