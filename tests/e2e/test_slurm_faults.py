"""Slurm that does not answer, or not yet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.counting import a_patient_pod, release
from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_pod
from tests.e2e.programs import Fault
from tests.e2e.waiting import until
from tests.virtual_kubelet.kubelet import VirtualKubelet


@pytest.mark.parametrize("fault", [Fault.FAIL, Fault.LOSE_ANSWER, Fault.HANG])
@pytest.mark.parametrize("own_daemon", [{"SlurmTimeout": 1}], indirect=True)
def test_a_pod_created_while_sbatch_has_no_answer_is_accepted_and_run_later(
    own_daemon: Daemon, own_vk: VirtualKubelet, fault: Fault
) -> None:
    own_daemon.doors.set(fault, "sbatch")
    pod = own_vk.create_pod(a_pod("patient", script="echo at last"))
    assert own_vk.phase_of("patient") == "Pending"
    assert own_vk.job_id_of("patient") == pod["metadata"]["uid"]
    own_vk.poll()
    assert own_vk.container("patient")["state"]["waiting"]["reason"] in ("SlurmUnreachable", "Submitted")

    own_daemon.doors.lift()
    own_vk.wait_for("patient", "Succeeded")
    assert own_vk.logs("patient") == "at last\n"
    assert len(own_daemon.jobs(pod["metadata"]["uid"])) == 1


def test_while_squeue_fails_the_last_known_state_stays_and_the_node_is_ready(
    own_vk: VirtualKubelet, own_daemon: Daemon
) -> None:
    own_vk.create_pod(a_patient_pod("steady", own_daemon, "exit 6"))
    own_vk.wait_for("steady", "Running")
    own_daemon.doors.set(Fault.FAIL, "squeue", "sacct", "sinfo")
    calls = len(own_daemon.doors.calls("squeue"))
    until(lambda: len(own_daemon.doors.calls("squeue")) > calls + 1, "squeue was asked twice more")

    own_vk.poll()
    assert own_vk.phase_of("steady") == "Running"
    assert own_vk.ping().status == "ok"
    own_daemon.doors.lift()
    release("steady", own_daemon)
    own_vk.wait_for("steady", "Failed")
    assert own_vk.pod("steady")["status"]["reason"] == "Error: 6"


def test_the_number_of_calls_does_not_depend_on_the_number_of_pods(own_vk: VirtualKubelet, own_daemon: Daemon) -> None:
    for number in range(6):
        own_vk.create_pod(a_pod(f"held-{number}", flags="--hold"))
    before = {program: len(own_daemon.doors.calls(program)) for program in ("squeue", "sacct")}
    until(lambda: len(own_daemon.doors.calls("squeue")) >= before["squeue"] + 3, "three ticks")
    for _ in range(20):
        own_vk.poll()

    # 120 questions about pods later there were only a few more ticks.
    assert len(own_daemon.doors.calls("squeue")) <= before["squeue"] + 20
    assert len(own_daemon.doors.calls("sacct")) == before["sacct"]


@contextmanager
def controller_frozen(daemon: Daemon) -> Iterator[None]:
    """slurmctld neither answers nor hangs up; without root's help, Slurm's programs do as if."""
    faults = os.environ.get("SIDECAR_FAULTS")
    if faults is None:
        daemon.doors.set(Fault.HANG, "sbatch", "squeue", "scancel", "sinfo")
        yield
        daemon.doors.lift()
        return
    order(Path(faults), "stop-slurmctld")
    try:
        yield
    finally:
        order(Path(faults), "cont-slurmctld")


def order(faults: Path, word: str) -> None:
    """Let scripts/lib/fault-server do something, and wait until it is done."""
    with (faults / "answer").open() as answers:
        (faults / "request").write_text(f"{word}\n")
        assert answers.readline() == f"ok {word}\n"


@pytest.mark.parametrize("own_daemon", [{"SlurmTimeout": 2}], indirect=True)
def test_pods_live_through_a_controller_that_hangs(own_daemon: Daemon, own_vk: VirtualKubelet) -> None:
    own_vk.create_pod(a_patient_pod("before", own_daemon, "exit 4"))
    own_vk.wait_for("before", "Running")
    with controller_frozen(own_daemon):
        release("before", own_daemon)
        during = own_vk.create_pod(a_pod("during", script="echo during"))
        assert own_vk.phase_of("during") == "Pending"
        own_vk.poll()
        assert own_vk.ping().status == "ok"
        assert own_vk.errors == []
    own_vk.wait_for("during", "Succeeded")
    own_vk.wait_for("before", "Failed")
    assert own_vk.container("before")["state"]["terminated"]["exitCode"] == 4
    assert own_daemon.history(during["metadata"]["uid"]).count("job_started") == 1


@pytest.mark.parametrize("own_daemon", [{"SlurmTimeout": 1}], indirect=True)
def test_one_submission_that_hangs_holds_up_no_other_pod(own_daemon: Daemon, own_vk: VirtualKubelet) -> None:
    other = own_vk.create_pod(a_patient_pod("other", own_daemon, "exit 8"))
    own_daemon.doors.set(Fault.HANG, "sbatch")
    stuck = own_vk.create_pod(a_pod("stuck"))
    release("other", own_daemon)
    own_vk.wait_for("other", "Failed")

    until(lambda: "job_failed" in own_daemon.history(other["metadata"]["uid"]), "the other job's end is recorded")
    assert own_vk.phase_of("stuck") == "Pending"
    own_daemon.doors.lift()
    own_vk.wait_for("stuck", "Succeeded")
    assert len(own_daemon.jobs(stuck["metadata"]["uid"])) == 1
