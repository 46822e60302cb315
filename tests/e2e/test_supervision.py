"""How a pod's containers are looked after, as ``kubectl`` shows it: restarts, sidecars, deadlines, last words, ends."""

from __future__ import annotations

import subprocess

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_container, a_pod, mounts, volumes
from tests.e2e.waiting import until
from tests.running import running
from tests.virtual_kubelet.admission import Json
from tests.virtual_kubelet.kubelet import VirtualKubelet

BOX = volumes(box={"emptyDir": {}})
IN_BOX = mounts(box="/box")
STAYS = "while :; do sleep 0.1; done"


ORPHANS = "(setsid sleep 8821 &); sh -c '(sleep 8821 &)'; "
"""Processes that nobody waits for: one in a session of its own, one whose parent has ended."""
STUBBORN = f"""{ORPHANS} trap "" TERM; echo up; while :; do sleep 8821; done"""
AGAIN = "[ ! -e /box/again ] || { echo second; exit 0; }; touch /box/again; echo first; "
"""The first attempt goes on behind this; the second succeeds."""
LIMIT: Json = {"resources": {"limits": {"memory": "250Mi"}}}
GREEDY = "exec dd if=/dev/zero of=/dev/null bs=400M count=1"
"""Uses more than that, where it is let."""


def confines_memory() -> bool:
    """Whether this Slurm ends what uses more memory than it asked for."""
    settings = subprocess.run(["scontrol", "show", "config"], check=True, capture_output=True, text=True).stdout
    return {"TaskPlugin=task/cgroup", "ConstrainRAMSpace=yes"} < {"".join(s.split()) for s in settings.splitlines()}


def a_sidecar(script: str, name: str = "side", **more: object) -> Json:
    return a_container(name, script, restartPolicy="Always", **IN_BOX, **more)


def ended(vk: VirtualKubelet, name: str, container: str = "main") -> Json:
    state: Json = vk.container(name, container)["state"]["terminated"]
    return state


@pytest.fixture(scope="module", autouse=True)
def slow(vk: VirtualKubelet) -> None:
    """Pods that need their time (the first back-off is 10 s), all under way from the beginning."""
    ill = {
        "exec": {"command": ["sh", "-c", "echo ill; [ ! -e /box/again ]"]},
        "periodSeconds": 1,
        "failureThreshold": 1,
    }
    main = a_container(script=AGAIN + STAYS, livenessProbe=ill, **IN_BOX)
    vk.create_pod(a_pod("unhealthy", main, restart="OnFailure", terminationGracePeriodSeconds=1, **BOX))
    setup = a_container("setup", AGAIN + "exit 5", **IN_BOX)
    vk.create_pod(a_pod("setup-retried", initContainers=[setup], restart="OnFailure", **BOX))
    falls = a_sidecar(AGAIN.replace("exit 0", "touch /box/go; " + STAYS) + "exit 7")
    waits = a_container(script="until [ -e /box/go ]; do sleep 0.1; done", **IN_BOX)
    vk.create_pod(a_pod("sidecar-falls", waits, initContainers=[falls], terminationGracePeriodSeconds=1, **BOX))
    vk.create_pod(a_pod("greedy", a_container(script=AGAIN + GREEDY, **IN_BOX, **LIMIT), restart="OnFailure", **BOX))
    obeys = a_container(script=f"trap 'exit 0' TERM; {STAYS}")
    vk.create_pod(a_pod("overdue", obeys, initContainers=[a_sidecar(STAYS)], activeDeadlineSeconds=10, **BOX))


def test_whatever_way_a_job_ends_nothing_of_it_goes_on(vk: VirtualKubelet, daemon: Daemon) -> None:
    """The time limit is in ``test_time_limits.py``."""
    stubborn = a_container(script=STUBBORN)
    brief: Json = {"terminationGracePeriodSeconds": 1}
    vk.create_pod(a_pod("succeeds", script=ORPHANS + "exit 0"))
    vk.create_pod(a_pod("breaks", script=ORPHANS + "exit 1"))
    vk.create_pod(a_pod("is-overdue", stubborn, activeDeadlineSeconds=6, **brief))
    uid = vk.create_pod(a_pod("is-deleted", stubborn, **brief))["metadata"]["uid"]
    vk.create_pod(a_pod("is-cancelled", stubborn, initContainers=[a_sidecar(STUBBORN)], **brief, **BOX))
    for name in "is-deleted", "is-cancelled":
        vk.wait_for(name, "Running")
        with vk.follow(name) as pieces:
            assert next(pieces) == "up\n"
    vk.delete_pod("is-deleted")
    subprocess.run(["scancel", vk.job_id_of("is-cancelled")], check=True)
    ends = [vk.wait_for(name, "Succeeded", "Failed") for name in ("succeeds", "breaks", "is-overdue", "is-cancelled")]

    assert ends == ["Succeeded", "Failed", "Failed", "Failed"]
    assert "activeDeadlineSeconds" in ended(vk, "is-overdue")["message"]
    until(lambda: "files_removed" in daemon.history(uid), "the deleted pod is gone")
    until(lambda: running("sleep 8821") == [], "no process of these pods is left")


def test_a_pod_with_a_native_sidecar_runs_while_its_mains_run_and_then_succeeds(
    vk: VirtualKubelet, daemon: Daemon
) -> None:
    probe = {"exec": {"command": ["test", "-e", "/box/probed"]}, "periodSeconds": 1}
    side = a_sidecar(f"trap 'exit 3' TERM; {STAYS}", startupProbe=probe)
    waits = a_container(script="until [ -e /box/go ]; do sleep 0.1; done", **IN_BOX)
    uid = vk.create_pod(a_pod("with-sidecar", waits, initContainers=[side], **BOX))["metadata"]["uid"]
    vk.wait_until(lambda: "running" in str(vk.pod("with-sidecar")["status"].get("initContainerStatuses")), "sidecar")
    before = (vk.phase_of("with-sidecar"), vk.container("with-sidecar")["state"]["waiting"]["reason"])
    box = daemon.directory(uid) / "emptydirs" / "box"
    (box / "probed").touch()
    vk.wait_for("with-sidecar", "Running")
    shown = vk.container("with-sidecar", "side")
    (box / "go").touch()
    vk.wait_for("with-sidecar", "Succeeded")

    assert before == ("Pending", "Init:0/1")
    assert (shown["started"], shown["ready"], shown["restartCount"]) == (True, True, 0)
    assert (shown["state"]["terminated"]["exitCode"], shown["state"]["terminated"]["message"]) == (0, "Started")
    until(lambda: "job_succeeded" in daemon.history(uid), "the job's success is on record")
    assert "container side ended with exit code 3" in daemon.cli("history", uid)


def test_a_sidecar_that_falls_is_started_again_while_its_pod_goes_on(vk: VirtualKubelet) -> None:
    vk.wait_for("sidecar-falls", "Running", "Succeeded")
    vk.wait_for("sidecar-falls", "Succeeded")

    side = vk.container("sidecar-falls", "side")
    assert (side["restartCount"], side["lastState"]["terminated"]["exitCode"]) == (1, 7)
    assert side["state"]["terminated"]["message"] == "Started"
    assert vk.logs("sidecar-falls", "side") == "second\n"
    assert vk.logs("sidecar-falls", "side", previous=True) == "first\n"


def test_a_container_that_fails_its_liveness_probe_is_started_again(vk: VirtualKubelet) -> None:
    vk.wait_for("unhealthy", "Succeeded")

    container = vk.container("unhealthy")
    before = container["lastState"]["terminated"]
    # A shell that is process 1 ignores TERM, as under a kubelet.
    assert (container["restartCount"], before["exitCode"]) == (1, 137)
    assert before["message"] == "Liveness probe failed: ill"
    assert vk.logs("unhealthy", previous=True) == "first\n"


def test_a_failed_init_container_is_tried_again_and_the_main_one_waits(vk: VirtualKubelet) -> None:
    vk.wait_until(lambda: "lastState" in str(vk.pod("setup-retried")["status"]), "setup-retried")
    waiting = vk.phase_of("setup-retried") == "Pending" and vk.container("setup-retried")["state"]["waiting"]["reason"]
    vk.wait_for("setup-retried", "Succeeded")

    assert waiting == "PodInitializing" or not waiting
    setup = vk.container("setup-retried", "setup")
    assert (setup["restartCount"], setup["lastState"]["terminated"]["exitCode"]) == (1, 5)
    assert vk.logs("setup-retried", "setup", previous=True) == "first\n"


def test_a_pod_that_lives_longer_than_it_may_has_failed(vk: VirtualKubelet, daemon: Daemon) -> None:
    job = ["scontrol", "show", "job", vk.job_id_of("overdue")]
    limits = subprocess.run(job, check=True, capture_output=True, text=True).stdout
    vk.wait_for("overdue", "Failed")

    assert "TimeLimit=00:02:00" in limits  # the deadline and the grace period, in whole minutes, and one more
    assert (ended(vk, "overdue")["exitCode"], ended(vk, "overdue")["message"]) == (
        143,
        "the pod ran longer than its activeDeadlineSeconds (10); it ended with exit code 0",
    )
    uid = vk.pod("overdue")["metadata"]["uid"]
    until(lambda: "job_failed" in daemon.history(uid), "the job's end is on record")
    assert "DeadlineExceeded" in daemon.cli("history", uid)


def test_a_container_that_uses_more_memory_than_its_job_has_is_killed_for_it(vk: VirtualKubelet) -> None:
    """And it is started again, if that is its restartPolicy. Where Slurm does not confine memory, it goes on."""
    vk.create_pod(a_pod("greedy-once", a_container(script=GREEDY, **LIMIT)))
    vk.wait_for("greedy-once", "Succeeded", "Failed")
    vk.wait_for("greedy", "Succeeded")

    (once,) = vk.interlink.statuses([vk.pod("greedy-once")])
    first = [once["containers"][0]["state"], vk.container("greedy")["lastState"]]
    found = [(end["terminated"]["exitCode"], end["terminated"]["reason"]) for end in first if end]
    assert found == ([(137, "OOMKilled")] * 2 if confines_memory() else [(0, "Completed")])


def test_a_containers_last_words_are_its_message(vk: VirtualKubelet) -> None:
    vk.create_pod(a_pod("last-words", script="echo no such sample >/dev/termination-log; exit 4"))
    vk.wait_for("last-words", "Failed")

    assert ended(vk, "last-words")["message"] == "no such sample\n"


def test_a_process_that_ends_by_a_signal_has_the_shells_code(vk: VirtualKubelet) -> None:
    """The container's own process, which is process 1, cannot be killed from inside, but what it runs can."""
    signals = {"kill": 137, "term": 143, "segv": 139}
    script = "sh -c 'kill -{} $$$$'; exit $?"  # Kubernetes makes two of the four
    vk.create_pod(a_pod("signals", *(a_container(name, script.format(name.upper())) for name in signals)))
    vk.wait_for("signals", "Failed")

    assert {name: ended(vk, "signals", name)["exitCode"] for name in signals} == signals
    assert ended(vk, "signals", "segv")["signal"] == 11


def test_after_a_failed_init_container_everything_is_terminated(vk: VirtualKubelet, daemon: Daemon) -> None:
    inits = [a_sidecar(STAYS), a_container("setup", "exit 6"), a_container("after"), a_sidecar(STAYS, "late")]
    vk.create_pod(a_pod("setup-fails", initContainers=inits, terminationGracePeriodSeconds=1, **BOX))
    vk.create_pod(a_pod("no-sidecar", initContainers=[a_sidecar(STAYS) | {"image": "absent.sif"}], **BOX))
    vk.wait_for("setup-fails", "Failed")
    vk.wait_for("no-sidecar", "Failed")

    codes = {name: ended(vk, "setup-fails", name)["exitCode"] for name in ("side", "setup", "after", "late", "main")}
    assert codes == {"side": 0, "setup": 6, "after": 128, "late": 128, "main": 128}
    assert "sidecar container side ended with exit code 128" in ended(vk, "no-sidecar")["message"]


@pytest.mark.parametrize("own_daemon", [{"MaxRestarts": 0}], indirect=True)
def test_where_nothing_is_started_again_the_first_failure_is_the_last(own_vk: VirtualKubelet) -> None:
    main, setup = a_container(script="exit 3"), a_container("setup", "exit 4")
    own_vk.create_pod(a_pod("main-fails", main, restart="Always"))
    own_vk.create_pod(a_pod("setup-fails", initContainers=[setup], restart="OnFailure"))
    own_vk.wait_for("main-fails", "Failed")
    own_vk.wait_for("setup-fails", "Failed")

    assert (ended(own_vk, "main-fails")["exitCode"], own_vk.container("main-fails")["restartCount"]) == (3, 0)
    assert ended(own_vk, "setup-fails")["message"].endswith("init container setup failed with exit code 4")
