"""Pods run as the users that the site and they themselves say, never as root."""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import Any

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_config_map, a_container, a_pod, mounts, volumes
from tests.e2e.programs import Fault
from tests.e2e.waiting import until
from tests.virtual_kubelet.kubelet import VirtualKubelet

WHO = "id -u; id -g; cat /conf/word; echo left >/data/file"


def who(kubelet: VirtualKubelet, name: str, annotations: dict[str, str] | None = None, **context: Any) -> list[str]:
    """What a pod's container says of its user, and of a file that it reads."""
    container = a_container(script=WHO, **mounts(conf="/conf", data="/data"))
    pod = a_pod(
        name,
        container,
        annotations=annotations,
        securityContext=context,
        **volumes(conf={"configMap": {"name": "conf"}}, data={"emptyDir": {}}),
    )
    kubelet.create_pod(a_config_map("conf", word="readable"), pod)
    kubelet.wait_for(name, "Succeeded")
    return kubelet.logs(name).splitlines()


def owner_of_job(daemon: Daemon, uid: str) -> str:
    (job_id,) = daemon.jobs(uid)
    return subprocess.run(
        ["squeue", "--states=all", "--noheader", "--format=%u", f"--jobs={job_id}"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def test_a_pod_that_says_nothing_runs_as_the_default_user(
    site: Daemon, kubelet: VirtualKubelet, host: pwd.struct_passwd
) -> None:
    said = who(kubelet, "plain")
    uid = kubelet.pod("plain")["metadata"]["uid"]
    folder = site.directory(uid)

    assert said[:2] == [str(host.pw_uid), str(host.pw_gid)]
    assert said[2] == "readable"
    assert owner_of_job(site, uid) == host.pw_name
    supervisor = folder / "supervisor.pyz"  # all users' jobs run the same one
    assert (supervisor.stat().st_uid, supervisor.stat().st_mode & 0o777) == (0, 0o444)
    assert {path.lstat().st_uid for path in (folder, *folder.rglob("*")) if path != supervisor} == {host.pw_uid}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_pod_may_name_its_user_and_one_of_that_users_groups(
    site: Daemon, kubelet: VirtualKubelet, guest: pwd.struct_passwd
) -> None:
    (team,) = set(os.getgrouplist(guest.pw_name, guest.pw_gid)) - {guest.pw_gid}
    said = who(kubelet, "named", runAsUser=guest.pw_uid, runAsGroup=team)
    uid = kubelet.pod("named")["metadata"]["uid"]

    assert said[:2] == [str(guest.pw_uid), str(team)]
    assert owner_of_job(site, uid) == guest.pw_name
    assert site.directory(uid).stat().st_gid == team


def test_a_flavor_names_the_user_of_its_pods(kubelet: VirtualKubelet, guest: pwd.struct_passwd) -> None:
    said = who(kubelet, "flavored", {"slurm-job.vk.io/flavor": "visitors"})

    assert said[:2] == [str(guest.pw_uid), str(guest.pw_gid)]


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ({"runAsUser": 0}, "0 (root) is never allowed"),
        ({"runAsUser": 65534}, "pods may not run as UID 65534 at this site"),
        ({"runAsGroup": 0}, "is not in group 0"),
    ],
)
def test_who_may_not_be_asked_for_is_refused(kubelet: VirtualKubelet, context: dict[str, int], sentence: str) -> None:
    pod = kubelet.create_pod(a_pod(f"refused-{len(sentence)}", securityContext=context))

    assert pod["status"]["phase"] == "Failed"
    assert sentence in pod["status"]["message"]


def test_a_user_that_the_machine_does_not_know_is_refused(kubelet: VirtualKubelet) -> None:
    pod = kubelet.create_pod(a_pod("unknown", securityContext={"runAsUser": 1999999000}))

    assert pod["status"]["phase"] == "Failed"
    assert "UID 1999999000 is not known where the sidecar runs" in pod["status"]["message"]


def test_each_users_images_are_kept_apart(site: Daemon, guest: pwd.struct_passwd, host: pwd.struct_passwd) -> None:
    caches = site.data_root / ".images"

    assert caches.stat().st_uid == 0
    assert {int(path.name): path.stat().st_uid for path in caches.iterdir()} == {
        user.pw_uid: user.pw_uid for user in (guest, host)
    }
    assert {path.stat().st_mode & 0o777 for path in caches.iterdir()} == {0o700}


def test_another_users_pod_ends_within_its_grace_and_leaves_nothing(
    site: Daemon, kubelet: VirtualKubelet, guest: pwd.struct_passwd
) -> None:
    script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    pod = kubelet.create_pod(a_pod("polite", script=script, securityContext={"runAsUser": guest.pw_uid}))
    uid = pod["metadata"]["uid"]
    kubelet.wait_until(lambda: kubelet.phase_of("polite") == "Running" and "ready" in kubelet.logs("polite"), "polite")
    kubelet.delete_pod("polite", grace_seconds=20)

    until(lambda: "files_removed" in site.history(uid), "the deleted pod's files are removed")
    assert not site.directory(uid).exists()
    assert "cancellation_sent" in site.history(uid)


def test_a_submission_whose_answer_was_lost_is_found_again_after_a_crash(
    site: Daemon, kubelet: VirtualKubelet, guest: pwd.struct_passwd
) -> None:
    site.doors.set(Fault.LOSE_ANSWER, "sbatch")
    pod = kubelet.create_pod(a_pod("lost", securityContext={"runAsUser": guest.pw_uid}))
    site.kill()
    site.doors.lift()
    site.start()
    kubelet.wait_for("lost", "Succeeded")
    uid = pod["metadata"]["uid"]

    assert "job_adopted" in site.history(uid)
    assert len(site.jobs(uid)) == 1
