"""One job per pod, whatever is asked twice, whatever dies when."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.counting import a_counting_pod, a_patient_pod, release, runs_of
from tests.e2e.daemon import Daemon
from tests.e2e.kill9 import campaign
from tests.e2e.pods import a_pod
from tests.e2e.programs import Fault
from tests.e2e.waiting import until
from tests.virtual_kubelet.interlink import CallFailed
from tests.virtual_kubelet.kubelet import VirtualKubelet


def test_the_same_pod_twice_is_one_job_with_one_answer(vk: VirtualKubelet, daemon: Daemon) -> None:
    pod = vk.create_pod(a_counting_pod("again", daemon))
    answer = vk.create_again("again")
    vk.wait_for("again", "Succeeded")

    assert answer.PodJID == vk.job_id_of("again")
    assert vk.create_again("again") == answer
    assert len(daemon.jobs(pod["metadata"]["uid"])) == 1
    assert runs_of("again", daemon) == 1


def test_the_same_pod_eight_times_at_once_is_one_job_with_one_answer(vk: VirtualKubelet, daemon: Daemon) -> None:
    pod = vk.create_pod(a_pod("template", flags="--partition=nowhere"))
    uid = str(uuid.uuid4())
    request = vk.create_request(pod | {"metadata": pod["metadata"] | {"uid": uid, "annotations": {}}})
    barrier = threading.Barrier(8)

    def create(_: int) -> str:
        barrier.wait()
        return vk.interlink.create(request).PodJID

    with ThreadPoolExecutor(8) as pool:
        job_ids = set(pool.map(create, range(8)))

    assert list(daemon.jobs(uid)) == list(job_ids)
    assert daemon.history(uid).count("submission_started") == 1


def test_a_killed_daemon_goes_on_with_waiting_and_running_pods(own_vk: VirtualKubelet, own_daemon: Daemon) -> None:
    waiting = own_vk.create_pod(a_counting_pod("waiting", own_daemon))
    own_vk.create_pod(a_patient_pod("running", own_daemon, "exit 9"))
    own_vk.create_pod(a_pod("held", flags="--hold"))
    own_vk.wait_for("running", "Running")
    own_daemon.kill()
    own_vk.poll()
    own_daemon.start()
    release("running", own_daemon)

    own_vk.wait_for("running", "Failed")
    assert own_vk.container("running")["state"]["terminated"]["exitCode"] == 9
    own_vk.wait_for("waiting", "Succeeded")
    assert own_vk.phase_of("held") == "Pending"
    assert (runs_of("waiting", own_daemon), runs_of("running", own_daemon)) == (1, 1)
    assert own_daemon.history(waiting["metadata"]["uid"]).count("submission_started") == 1


def test_a_pod_that_ends_while_the_daemon_is_dead_ends_with_its_own_code(
    own_vk: VirtualKubelet, own_daemon: Daemon
) -> None:
    pod = own_vk.create_pod(a_patient_pod("unseen", own_daemon, "sleep 1; exit 3"))
    own_vk.wait_for("unseen", "Running")
    own_daemon.kill()
    release("unseen", own_daemon)
    until(lambda: "RUNNING" not in own_daemon.jobs(pod["metadata"]["uid"]).values(), "the job has ended")
    # As if the daemon had been dead for longer than MinJobAge (five minutes here): only sacct knows the job.
    own_daemon.doors.set(Fault.HIDE_FINISHED, "squeue")
    own_daemon.start()

    own_vk.wait_for("unseen", "Failed")
    ended = own_vk.container("unseen")["state"]["terminated"]
    assert ended["exitCode"] == 3
    assert ended["finishedAt"] > ended["startedAt"]


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.LOSE_ANSWER])
def test_a_daemon_killed_during_sbatch_leaves_one_job(own_vk: VirtualKubelet, own_daemon: Daemon, fault: Fault) -> None:
    """The submission is in flight when the daemon dies; its successor must neither lose nor repeat it."""
    own_daemon.doors.set(fault, "sbatch")
    creating = threading.Thread(target=own_vk.create_pod, args=[a_counting_pod("in-flight", own_daemon)])
    creating.start()
    until(lambda: len(own_daemon.doors.calls("sbatch")) == 1, "sbatch was called")
    own_daemon.kill()
    creating.join()
    assert own_vk.phase_of("in-flight") in ("Failed", "Pending")
    own_daemon.start()
    own_daemon.doors.lift()

    uid = own_vk.pod("in-flight")["metadata"]["uid"]
    until(lambda: "job_succeeded" in own_daemon.history(uid), "the pod has run")
    answer = own_vk.create_again("in-flight")
    assert list(own_daemon.jobs(uid)) == [answer.PodJID]
    assert runs_of("in-flight", own_daemon) == 1


def test_an_answer_that_sbatch_lost_is_found_and_not_repeated(own_vk: VirtualKubelet, own_daemon: Daemon) -> None:
    own_daemon.doors.set(Fault.LOSE_ANSWER, "sbatch")
    pod = own_vk.create_pod(a_counting_pod("lost", own_daemon))
    uid = pod["metadata"]["uid"]
    assert own_vk.job_id_of("lost") == uid

    own_vk.wait_for("lost", "Succeeded")
    assert runs_of("lost", own_daemon) == 1
    assert len(own_daemon.jobs(uid)) == 1
    assert "job_adopted" in own_daemon.history(uid)


def test_a_virtual_kubelet_that_lost_the_answer_gets_the_same_job(vk: VirtualKubelet, daemon: Daemon) -> None:
    pod = vk.create_pod(a_counting_pod("forgotten", daemon))
    job_id = vk.job_id_of("forgotten")
    vk.lose_answer("forgotten")
    vk.restart()

    assert vk.job_id_of("forgotten") == job_id
    vk.wait_for("forgotten", "Succeeded")
    assert list(daemon.jobs(pod["metadata"]["uid"])) == [job_id]


def test_kills_at_random_moments_during_twenty_creates_leave_one_job_each(own_daemon: Daemon) -> None:
    """A small version of tests/campaigns/kill9.py."""
    campaign(own_daemon, creates=20)


def test_a_refused_pod_stays_refused(vk: VirtualKubelet) -> None:
    vk.create_pod(a_pod("refused", flags="--partition=nowhere"))

    with pytest.raises(CallFailed, match="invalid partition"):
        vk.create_again("refused")
