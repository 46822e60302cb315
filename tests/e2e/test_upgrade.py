"""A daemon of another version takes over the pods of the one before."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sidecar.runner.contract import layout
from tests.e2e import daemon
from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_pod
from tests.e2e.waiting import until
from tests.virtual_kubelet.kubelet import VirtualKubelet


def upgrade(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on daemons start from a copy of the sources whose supervisor differs."""
    shutil.copytree(daemon.CHECKOUT / "sidecar", folder / "sidecar", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "sidecar/runner/verbs.py").open("a") as file:
        file.write("# another version\n")
    shutil.copytree(daemon.CHECKOUT / "migrations", folder / "migrations")
    shutil.copy(daemon.CHECKOUT / "alembic.ini", folder)
    monkeypatch.setattr(daemon, "CHECKOUT", folder)


def test_a_waiting_pod_keeps_its_supervisor_over_an_upgrade(
    own_daemon: Daemon, own_vk: VirtualKubelet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisors = own_daemon.data_root / layout.SUPERVISORS
    uid = own_vk.create_pod(a_pod("waits", script="echo waited", flags="--hold"))["metadata"]["uid"]
    (old,) = supervisors.glob("*.pyz")
    own_daemon.stop()
    upgrade(tmp_path / "new", monkeypatch)
    own_daemon.start()
    own_vk.create_pod(a_pod("after", script="echo after"))
    own_vk.wait_for("after", "Succeeded")
    (new,) = set(supervisors.glob("*.pyz")) - {old}

    assert old.exists()
    subprocess.run(["scontrol", "release", own_vk.job_id_of("waits")], check=True)
    own_vk.wait_for("waits", "Succeeded")
    assert own_vk.logs("waits") == "waited\n"

    own_vk.delete_pod("waits")
    until(lambda: "files_removed" in own_daemon.history(uid), "the deleted pod's files are removed")
    own_daemon.stop()
    own_daemon.start()
    assert list(supervisors.glob("*.pyz")) == [new]
