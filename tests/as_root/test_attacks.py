"""What a pod's user puts in place of files that root reads and writes gains that user nothing, and stops nobody.

The attacker has a shell on the sidecar's machine and owns the directory of the pod.
"""

from __future__ import annotations

import os
import pwd
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.runner.contract import layout
from tests.as_root.conftest import Attacker
from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_pod
from tests.e2e.programs import Fault
from tests.e2e.waiting import until
from tests.virtual_kubelet.interlink import CallFailed
from tests.virtual_kubelet.kubelet import VirtualKubelet

OBEYS = "trap 'exit 143' TERM; echo begun; "
START = f"{OBEYS}while :; do sleep 0.2; done"
Victim = Callable[..., Path]


@pytest.fixture
def a_guests_pod(site: Daemon, kubelet: VirtualKubelet, guest: pwd.struct_passwd) -> Victim:
    """Make a pod of the guest's that runs, and give back its directory."""

    def make(name: str, script: str = START) -> Path:
        pod = kubelet.create_pod(a_pod(name, script=script, securityContext={"runAsUser": guest.pw_uid}))
        kubelet.wait_until(lambda: kubelet.phase_of(name) == "Running" and "begun" in kubelet.logs(name), name)
        return site.directory(pod["metadata"]["uid"])

    return make


def uid_of(kubelet: VirtualKubelet, name: str) -> str:
    return str(kubelet.pod(name)["metadata"]["uid"])


def until_removed(site: Daemon, uid: str) -> None:
    until(lambda: "files_removed" in site.history(uid), "the deleted pod's files are removed")
    assert not site.directory(uid).exists()


def token_of(site: Daemon, uid: str) -> str:
    """What squeue shows everybody."""
    with sqlite3.connect(f"file:{site.records()[1].parent}/sidecar.db?mode=ro", uri=True) as database:
        query = "select data ->> '$.token' from events where pod_uid = ? and kind = 'submission_started'"
        ((token,),) = database.execute(query, (uid,)).fetchall()
    database.close()
    return str(token)


def looks(site: Daemon, count: int = 3) -> None:
    """Wait until the daemon has looked at Slurm a few times more."""
    before = len(site.doors.calls("squeue"))
    until(lambda: len(site.doors.calls("squeue")) >= before + count, "the daemon has looked")


def test_a_log_never_shows_a_file_that_its_user_cannot_read(
    kubelet: VirtualKubelet, a_guests_pod: Victim, attacker: Attacker, treasure: Path
) -> None:
    folder = a_guests_pod("log")
    for deed in (
        f"mkdir logs && ln -s {treasure}/secret logs/main.0.log",
        f"ln -s {treasure} logs",
        "mkdir logs && mkfifo logs/main.0.log",
        "mkdir logs && ln -s /etc/shadow logs/main.0.log",
    ):
        attacker.does(f"mv logs away && rm -rf away && {deed}", folder)
        _shows_nothing(kubelet, "log")
    attacker.does("rm logs/main.0.log", folder)
    os.link(treasure / "secret", folder / "logs/main.0.log")  # as where fs.protected_hardlinks is 0
    _shows_nothing(kubelet, "log")
    kubelet.delete_pod("log", grace_seconds=0)


def _shows_nothing(kubelet: VirtualKubelet, name: str) -> None:
    for timestamps in (False, True):
        with pytest.raises(CallFailed, match=r"cannot be shown|There is no log|Permission denied"):
            kubelet.logs(name, timestamps=timestamps)


def test_no_other_thing_in_a_files_place_shows_or_changes_what_is_roots_or_holds_anybody_up(
    site: Daemon, kubelet: VirtualKubelet, a_guests_pod: Victim, attacker: Attacker, treasure: Path
) -> None:
    deeds = {"link": f"ln -s {treasure}/secret", "pipe": "mkfifo", "folder": "mkdir"}
    uids = []
    for name, deed in deeds.items():
        folder = a_guests_pod(name)
        uids.append(uid_of(kubelet, name))
        marks = "claim deleted" if name == "pipe" else "claim deleted grace"
        attacker.does(f"for f in report.jsonl {marks}; do rm -f $f; {deed} $f; done", folder)
    kubelet.create_pod(a_pod("bystander", script="echo well"))
    kubelet.wait_for("bystander", "Succeeded")
    # Now without the pipes, for which its own job would wait too.
    attacker.does("rm report.jsonl claim deleted", site.directory(uid_of(kubelet, "pipe")))
    for name in deeds:
        kubelet.delete_pod(name, grace_seconds=0)

    for uid in uids:
        until_removed(site, uid)
    assert (treasure / "secret").read_text() == "root's secret\n"
    assert (treasure / "secret").stat().st_uid == 0
    assert all(b"root's secret" not in path.read_bytes() for path in site.records())


def test_removing_a_pod_takes_nothing_but_the_pods(
    site: Daemon, kubelet: VirtualKubelet, a_guests_pod: Victim, attacker: Attacker, treasure: Path
) -> None:
    folder = a_guests_pod("tree")
    uid = uid_of(kubelet, "tree")
    (treasure / "inner").chmod(0o711)
    attacker.does(
        f"mkdir -p a/b && ln -s {treasure}/inner a/b/c && ln -s {treasure} d"
        " && mkdir shut && touch shut/x && chmod 0 shut && chmod 500 .",
        folder,
    )
    kubelet.delete_pod("tree", grace_seconds=0)

    until_removed(site, uid)
    assert sorted(path.name for path in treasure.iterdir()) == ["inner", "main.0.log", "secret"]
    assert (treasure / "inner/secret").exists()


def test_a_claim_in_the_name_of_another_users_job_does_not_end_that_job(
    site: Daemon, kubelet: VirtualKubelet, a_guests_pod: Victim, attacker: Attacker
) -> None:
    kubelet.create_pod(a_pod("victim", script=START))
    kubelet.wait_for("victim", "Running")
    folder = a_guests_pod("thief", f"{OBEYS}while [ ! -e /proc/nothing ]; do sleep 0.2; done")
    attacker.does(f"echo {kubelet.job_id_of('victim')} >claim", folder)
    attacker.does(f"scancel --full {kubelet.job_id_of('thief')}")
    uid = uid_of(kubelet, "thief")
    until(lambda: "job_adopted" in site.history(uid) or "job_failed" in site.history(uid), "the claim was looked at")
    kubelet.delete_pod("thief", grace_seconds=0)
    looks(site)

    assert site.jobs(uid_of(kubelet, "victim")) == {kubelet.job_id_of("victim"): "RUNNING"}
    kubelet.delete_pod("victim", grace_seconds=0)


def test_another_users_job_with_a_pods_own_mark_is_not_the_pods(
    site: Daemon, kubelet: VirtualKubelet, attacker: Attacker
) -> None:
    kubelet.create_pod(a_pod("marked", flags="--hold"))
    forged = forge(site, uid_of(kubelet, "marked"), attacker)
    looks(site)

    assert "surplus_job_cancelled" not in site.history(uid_of(kubelet, "marked"))
    assert attacker.does(f"squeue -h -o %T -j {forged}") in ("PENDING", "RUNNING")
    attacker.does(f"scancel {forged}")
    kubelet.delete_pod("marked", grace_seconds=0)


def test_another_users_job_is_not_adopted_for_a_submission_that_nobody_has_heard_of(
    site: Daemon, kubelet: VirtualKubelet, attacker: Attacker
) -> None:
    site.doors.set(Fault.FAIL, "sbatch")
    kubelet.create_pod(a_pod("unheard"))
    uid = uid_of(kubelet, "unheard")
    forged = forge(site, uid, attacker)
    looks(site)
    site.doors.lift()
    kubelet.wait_for("unheard", "Succeeded")

    assert "job_adopted" not in site.history(uid)
    attacker.does(f"scancel {forged}")


def test_nobody_but_root_changes_what_all_jobs_run(
    site: Daemon, kubelet: VirtualKubelet, a_guests_pod: Victim, attacker: Attacker
) -> None:
    folder = a_guests_pod("runner")
    supervisors = site.data_root / layout.SUPERVISORS
    (supervisor,) = supervisors.glob("*.pyz")
    before = supervisor.read_bytes()
    for place in (supervisor, folder / layout.SUPERVISOR):
        attacker.does(f"! (echo x >>{place}) && ! chmod 666 {place} && ! chown 0 {place} && cat {place} >/dev/null")
    attacker.does(f"! rm -f {supervisor} && ! touch {supervisors}/x && ! ls {supervisors} && ! mv {folder} {folder}-x")
    attacker.does(f"rm -f {layout.SUPERVISOR} && echo x >{layout.SUPERVISOR}", folder)
    kubelet.create_pod(a_pod("run-after", script="echo well"))
    kubelet.wait_for("run-after", "Succeeded")

    assert supervisor.read_bytes() == before
    kubelet.delete_pod("runner", grace_seconds=0)


def test_a_user_spoils_no_bell_but_the_users_own_and_holds_nobody_up(
    site: Daemon, kubelet: VirtualKubelet, attacker: Attacker, guest: pwd.struct_passwd, host: pwd.struct_passwd
) -> None:
    for user in (host, guest):  # the bells are there from the first pod on
        name = f"bell-{user.pw_name}"
        kubelet.create_pod(a_pod(name, securityContext={"runAsUser": user.pw_uid}))
        kubelet.wait_for(name, "Succeeded")
    bells = site.data_root / layout.BELLS
    own, other = bells / str(guest.pw_uid), bells / str(host.pw_uid)
    attacker.does(f"! cat {other} && ! (echo x >>{other}) && ! rm -f {own} && ! ls {bells} && ! ln {own} {bells}/x")
    for deed in (f"head -c 3000000 /dev/urandom >>{own}", f": >{own}", f"chmod 0 {own}"):
        attacker.does(deed)
        name = f"rings-{len(deed)}"
        kubelet.create_pod(a_pod(f"{name}-guest", securityContext={"runAsUser": guest.pw_uid}))
        kubelet.create_pod(a_pod(f"{name}-host"))
        kubelet.wait_for(f"{name}-guest", "Succeeded")
        kubelet.wait_for(f"{name}-host", "Succeeded")

    assert other.stat().st_uid == host.pw_uid


def forge(site: Daemon, uid: str, attacker: Attacker) -> str:
    """Submit a job that says it is the pod's, by comment, name and directory."""
    token = token_of(site, uid)
    words = (
        f"--comment=slurm-sidecar:{uid}:{token} --job-name=x.{token} --chdir={site.directory(uid)} --output=/dev/null"
    )
    return attacker.does(f"sbatch --parsable {words} --wrap='sleep 600'")
