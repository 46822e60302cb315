"""``kubectl delete pod``, and what is left of the pod afterwards."""

from __future__ import annotations

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_container, a_pod, mounts, volumes
from tests.e2e.programs import Fault
from tests.e2e.waiting import until
from tests.virtual_kubelet.admission import Json
from tests.virtual_kubelet.kubelet import VirtualKubelet


def until_gone(daemon: Daemon, pod: Json) -> None:
    """Wait until neither a job nor a file of the pod is left."""
    uid = pod["metadata"]["uid"]
    until(lambda: "files_removed" in daemon.history(uid), "the deleted pod's files are removed")
    assert not daemon.directory(uid).exists()
    assert all(state not in ("PENDING", "RUNNING") for state in daemon.jobs(uid).values())


def test_deleting_a_waiting_pod_cancels_its_job_and_removes_its_files(vk: VirtualKubelet, daemon: Daemon) -> None:
    held = vk.create_pod(a_pod("held", flags="--hold"))
    later = vk.create_pod(a_pod("later", flags="--begin=now+1hour"))
    vk.wait_until(lambda: "BeginTime" in str(vk.container("later")["state"]), "later")
    for name in ("held", "later"):
        vk.delete_pod(name)

    for pod in (held, later):
        until_gone(daemon, pod)
        assert "job_cancelled" in daemon.history(pod["metadata"]["uid"])
    assert vk.phase_of("held") == "Deleted"


def test_a_deleted_pod_gets_term_and_the_time_to_end_by_itself(vk: VirtualKubelet, daemon: Daemon) -> None:
    script = (
        "trap 'sleep 1; echo farewell >/host/farewell; exit 0' TERM; touch /host/ready; while :; do sleep 0.1; done"
    )
    shared = daemon.data_root.parent / "farewells"
    shared.mkdir()
    container = a_container(script=script, **mounts(host="/host"))
    pod = vk.create_pod(a_pod("polite", container, **volumes(host={"hostPath": {"path": str(shared)}})))
    vk.wait_until((shared / "ready").exists, "polite")
    vk.delete_pod("polite", grace_seconds=20)

    until_gone(daemon, pod)
    assert (shared / "farewell").read_text() == "farewell\n"


def test_a_container_that_ignores_term_is_killed_after_the_grace_period(vk: VirtualKubelet, daemon: Daemon) -> None:
    pod = vk.create_pod(
        a_pod(
            "stubborn",
            script="trap '' TERM; echo ready; while :; do sleep 0.1; done",
            terminationGracePeriodSeconds=2,
        )
    )
    vk.wait_until(lambda: vk.phase_of("stubborn") == "Running" and "ready" in vk.logs("stubborn"), "stubborn")
    vk.delete_pod("stubborn")

    until_gone(daemon, pod)


def test_a_deletion_with_a_grace_period_of_its_own_does_not_wait_for_the_pods(
    vk: VirtualKubelet, daemon: Daemon
) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    pods = [vk.create_pod(a_pod(name, script=script, terminationGracePeriodSeconds=3600)) for name in ("now", "soon")]
    for name in ("now", "soon"):
        vk.wait_for(name, "Running")
    vk.wait_until(lambda: all("ready" in vk.logs(name) for name in ("now", "soon")), "soon")
    vk.delete_pod("now", grace_seconds=0)
    vk.delete_pod("soon", grace_seconds=1)

    for pod in pods:
        until_gone(daemon, pod)


def test_deleting_a_finished_pod_removes_its_files_and_keeps_its_history(vk: VirtualKubelet, daemon: Daemon) -> None:
    pod = vk.create_pod(a_pod("finished", script="echo secret words"))
    vk.wait_for("finished", "Succeeded")
    vk.delete_pod("finished")

    until_gone(daemon, pod)
    assert "container_terminated" in daemon.history(pod["metadata"]["uid"])


def test_deleting_twice_or_an_unknown_pod_is_no_error(vk: VirtualKubelet, daemon: Daemon) -> None:
    pod = vk.create_pod(a_pod("twice", flags="--hold"))
    vk.delete_pod("twice")

    vk.interlink.delete(pod)
    vk.interlink.delete(pod | {"metadata": pod["metadata"] | {"uid": "f" * 32}})
    until_gone(daemon, pod)
    assert daemon.history(pod["metadata"]["uid"]).count("deletion_requested") == 1


def test_a_deleted_pod_is_not_started_by_a_late_create(vk: VirtualKubelet, daemon: Daemon) -> None:
    pod = vk.create_pod(a_pod("late", flags="--hold"))
    request = vk.create_request(pod)
    vk.delete_pod("late")
    until_gone(daemon, pod)

    vk.interlink.create(request)
    assert daemon.history(pod["metadata"]["uid"]).count("submission_started") == 1
    assert not daemon.directory(pod["metadata"]["uid"]).exists()


def test_a_deletion_while_slurm_is_down_is_carried_out_later(own_vk: VirtualKubelet, own_daemon: Daemon) -> None:
    pod = own_vk.create_pod(a_pod("down", script="sleep 300"))
    own_vk.wait_for("down", "Running")
    own_daemon.doors.set(Fault.FAIL, "squeue", "scancel", "sacct", "sbatch")
    own_vk.delete_pod("down", grace_seconds=1)
    assert own_vk.errors == []
    calls = len(own_daemon.doors.calls("squeue"))
    until(lambda: len(own_daemon.doors.calls("squeue")) > calls, "the daemon has tried")
    assert own_daemon.directory(pod["metadata"]["uid"]).exists()

    own_daemon.doors.lift()
    until_gone(own_daemon, pod)


def test_a_deletion_survives_a_kill_of_the_daemon(own_vk: VirtualKubelet, own_daemon: Daemon) -> None:
    pod = own_vk.create_pod(a_pod("orphan", script="sleep 300"))
    own_vk.wait_for("orphan", "Running")
    own_daemon.doors.set(Fault.HANG, "scancel", "squeue")
    own_vk.delete_pod("orphan", grace_seconds=1)
    own_daemon.kill()
    own_daemon.doors.lift()
    own_daemon.start()

    until_gone(own_daemon, pod)
