"""Pods that run to their end, one way or another, as ``kubectl get pod`` shows them."""

from __future__ import annotations

import subprocess

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_container, a_pod, mounts, volumes
from tests.e2e.waiting import until
from tests.virtual_kubelet.kubelet import VirtualKubelet


def test_a_pod_that_says_hello_succeeds(vk: VirtualKubelet, daemon: Daemon) -> None:
    pod = vk.create_pod(a_pod("hello", script="echo hello world"))
    vk.wait_for("hello", "Succeeded")

    assert vk.logs("hello") == "hello world\n"
    assert vk.job_id_of("hello").isdigit()
    ended = vk.container("hello")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert ended["startedAt"] <= ended["finishedAt"]
    uid = pod["metadata"]["uid"]
    assert daemon.history(uid)[:3] == ["pod_accepted", "submission_started", "job_submitted"]
    until(lambda: "job_succeeded" in daemon.history(uid), "the end of the job is in the pod's history")


def test_a_failing_command_fails_the_pod_with_its_code(vk: VirtualKubelet) -> None:
    vk.create_pod(a_pod("fails", script="exit 42"))
    vk.wait_for("fails", "Failed")

    assert vk.pod("fails")["status"]["reason"] == "Error: 42"
    assert vk.container("fails")["state"]["terminated"]["exitCode"] == 42


def test_a_command_that_does_not_exist_fails_the_pod(vk: VirtualKubelet) -> None:
    vk.create_pod(a_pod("no-command", a_container() | {"command": ["/no/such/program"]}))
    vk.wait_for("no-command", "Failed")

    ended = vk.container("no-command")["state"]["terminated"]
    assert ended["exitCode"] == 128
    assert "/no/such/program" in ended["message"]
    assert "no such file or directory" in ended["message"]
    assert "/no/such/program" in vk.logs("no-command")


def test_a_pod_with_one_failed_container_of_two_fails(vk: VirtualKubelet) -> None:
    vk.create_pod(a_pod("two", a_container("good", "echo good"), a_container("bad", "echo bad; exit 3")))
    vk.wait_for("two", "Failed")

    assert vk.logs("two", "good") == "good\n"
    assert vk.logs("two", "bad") == "bad\n"
    codes = {name: vk.container("two", name)["state"]["terminated"]["exitCode"] for name in ("good", "bad")}
    assert codes == {"good": 0, "bad": 3}


def test_a_pod_runs_as_long_as_one_of_its_containers_runs(vk: VirtualKubelet) -> None:
    shared = volumes(box={"emptyDir": {}})
    waiter = a_container("waiter", "until [ -e /box/go ]; do sleep 0.1; done", **mounts(box="/box"))
    starter = a_container("starter", "until [ -e /box/ready ]; do sleep 0.1; done", **mounts(box="/box"))
    vk.create_pod(a_pod("side-by-side", waiter, starter, **shared))
    vk.wait_for("side-by-side", "Running")

    assert vk.container("side-by-side", "waiter")["ready"] is True
    vk.delete_pod("side-by-side", grace_seconds=1)


def test_init_containers_run_in_order_before_the_main_container(vk: VirtualKubelet) -> None:
    box = mounts(box="/box")
    inits = [a_container(name, f"sleep 0.2; echo {name} >>/box/order", **box) for name in ("first", "second")]
    main = a_container(script="cat /box/order", **box)
    vk.create_pod(a_pod("ordered", main, initContainers=inits, **volumes(box={"emptyDir": {}})))
    vk.wait_for("ordered", "Succeeded")

    assert vk.logs("ordered") == "first\nsecond\n"
    ends = [vk.container("ordered", name)["state"]["terminated"]["exitCode"] for name in ("first", "second")]
    assert ends == [0, 0]


def test_while_an_init_container_runs_the_pod_is_initializing(vk: VirtualKubelet) -> None:
    slow = a_container("slow", "sleep 60")
    vk.create_pod(a_pod("initializing", initContainers=[slow], terminationGracePeriodSeconds=1))
    vk.wait_until(
        lambda: vk.container("initializing")["state"].get("waiting", {}).get("reason") == "Init:0/1", "initializing"
    )

    assert vk.phase_of("initializing") == "Pending"
    vk.delete_pod("initializing")


def test_a_failing_init_container_fails_the_pod_and_nothing_else_starts(vk: VirtualKubelet) -> None:
    inits = [a_container("breaks", "echo broken; exit 7"), a_container("never", "echo never")]
    vk.create_pod(a_pod("init-fails", a_container(script="echo main"), initContainers=inits))
    vk.wait_for("init-fails", "Failed")

    assert vk.container("init-fails", "breaks")["state"]["terminated"]["exitCode"] == 7
    assert vk.logs("init-fails", "breaks") == "broken\n"
    assert "breaks failed" in vk.container("init-fails")["state"]["terminated"]["message"]


def test_on_failure_a_container_is_started_again_until_it_succeeds(vk: VirtualKubelet) -> None:
    script = "echo try; [ -e /box/tried ] || { touch /box/tried; exit 5; }; echo done"
    container = a_container(script=script, **mounts(box="/box"))
    vk.create_pod(a_pod("retries", container, restart="OnFailure", **volumes(box={"emptyDir": {}})))
    vk.wait_until(lambda: bool(vk.container("retries")["lastState"]), "retries")
    waiting = vk.container("retries")
    vk.wait_for("retries", "Succeeded")

    assert waiting["lastState"]["terminated"]["exitCode"] == 5
    assert vk.container("retries")["restartCount"] == 1
    assert vk.logs("retries") == "try\ndone\n"
    assert vk.logs("retries", previous=True) == "try\n"


def test_an_absent_image_fails_the_pod_with_the_runtimes_words(vk: VirtualKubelet) -> None:
    vk.create_pod(a_pod("no-image", a_container() | {"image": "absent.sif"}))
    vk.wait_for("no-image", "Failed")

    message = vk.container("no-image")["state"]["terminated"]["message"]
    assert message.startswith("ErrImagePull: ")
    assert "absent.sif" in message


def test_a_bad_partition_is_refused_with_sbatchs_words(vk: VirtualKubelet, daemon: Daemon) -> None:
    pod = vk.create_pod(a_pod("nowhere", flags="--partition=nowhere"))

    assert vk.phase_of("nowhere") == "Failed"
    assert "invalid partition specified: nowhere" in pod["status"]["message"]
    assert daemon.history(pod["metadata"]["uid"])[-1] == "submission_failed"


def test_a_job_that_somebody_cancels_fails_the_pod_with_143(vk: VirtualKubelet, daemon: Daemon) -> None:
    vk.create_pod(a_pod("cancelled", script="trap 'exit 143' TERM; while :; do sleep 0.1; done"))
    vk.wait_for("cancelled", "Running")
    subprocess.run(["scancel", vk.job_id_of("cancelled")], check=True)
    vk.wait_for("cancelled", "Failed")

    ended = vk.container("cancelled")["state"]["terminated"]
    assert ended["exitCode"] == 143
    assert "cancelled" in ended["message"]


def test_a_waiting_job_that_somebody_cancels_fails_the_pod_with_143(vk: VirtualKubelet) -> None:
    vk.create_pod(a_pod("cancelled-early", flags="--hold"))
    vk.wait_until(lambda: "Held" in str(vk.container("cancelled-early")["state"]), "cancelled-early")
    subprocess.run(["scancel", vk.job_id_of("cancelled-early")], check=True)
    vk.wait_for("cancelled-early", "Failed")

    assert vk.container("cancelled-early")["state"]["terminated"]["exitCode"] == 143


def test_a_pod_that_nobody_knows_stays_pending(vk: VirtualKubelet, daemon: Daemon) -> None:
    vk.create_pod(a_pod("known", script="sleep 300", terminationGracePeriodSeconds=1))
    stranger = vk.pod("known") | {"metadata": vk.pod("known")["metadata"] | {"uid": "0" * 32, "name": "stranger"}}

    unknown, known = vk.interlink.statuses([stranger, vk.pod("known")])

    assert unknown["containers"][0]["state"]["waiting"]["reason"] == "PodUnknown"
    assert known["name"] == "known"
    vk.delete_pod("known")


def test_twenty_pods_at_once_are_all_answered_for(vk: VirtualKubelet) -> None:
    names = [f"many-{number}" for number in range(20)]
    for number, name in enumerate(names):
        vk.create_pod(a_pod(name, script=f"echo {name}; exit {number % 2}"))
    entries = vk.interlink.statuses([vk.pod(name) for name in names])
    ended = [vk.wait_for(name, "Succeeded", "Failed") for name in names]

    assert [entry["name"] for entry in entries] == names
    assert ended == ["Succeeded", "Failed"] * 10
    assert [vk.logs(name) for name in names] == [f"{name}\n" for name in names]


def test_the_ping_names_the_clusters_resources(vk: VirtualKubelet) -> None:
    ping = vk.ping()

    assert ping.status == "ok"
    assert ping.resources is not None
    assert int(ping.resources.cpu) > 0
    assert ping.resources.memory.endswith("Mi")
    sinfo = ["sinfo", "--noheader", "--Node", "--partition=main", "--responding", "--format=%c"]
    cores = subprocess.run(sinfo, check=True, capture_output=True, text=True).stdout.split()
    assert int(ping.resources.cpu) == sum(map(int, cores))
    assert {a.resource_type: int(a.available) for a in ping.resources.accelerators} == {
        "nvidia.com/gpu": 4 * len(cores)
    }


def test_system_info_says_what_sinfo_said(vk: VirtualKubelet) -> None:
    info = vk.interlink.system_info()

    assert (info["status"], info["slurm_connected"], info["error"]) == ("ok", True, "")
    assert info["sinfo_output"]
