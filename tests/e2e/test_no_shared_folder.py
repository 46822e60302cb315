"""A site whose compute nodes do not see the data folder (``SHARED_FS=false``)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_config_map, a_container, a_pod, a_secret, mounts, volumes
from tests.e2e.waiting import until

LARGE = "x" * (1024 * 1024 - 1024)
SCRIPT = """
{
    cat /config/text /secret/key; wc -c </config/large; ls -l /secret/key | cut -c1-10
    echo "$PASSWORD"; cat /scratch/from-init
} >/results/files
echo >/results/done
"""


@pytest.fixture
def remote(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    monkeypatch.setenv("SHARED_FS", "false")
    daemon = Daemon(tmp_path, image)
    daemon.start()
    yield daemon
    daemon.destroy()


def test_a_pod_runs_with_all_its_files_where_the_node_has_no_data_folder(remote: Daemon, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    kubelet = remote.kubelet()
    files = volumes(
        config={"configMap": {"name": "texts"}},
        secret={"secret": {"secretName": "keys", "defaultMode": 0o400}},
        scratch={"emptyDir": {}},
        results={"hostPath": {"path": str(results)}},
    )
    prepare = a_container("prepare", "echo prepared >/scratch/from-init", **mounts(scratch="/scratch"))
    main = a_container(
        script=SCRIPT,
        env=[{"name": "PASSWORD", "value": 'it\'s $HOME "secret"'}],
        **mounts(config="/config", secret="/secret", scratch="/scratch", results="/results"),
    )
    kubelet.create_pod(
        a_config_map("texts", text="text\n", large=LARGE),
        a_secret("keys", key="key\n"),
        a_pod("remote", main, flags="--hold", initContainers=[prepare], **files),
    )
    job = kubelet.job_id_of("remote")

    hidden = remote.data_root.rename(tmp_path / "hidden")
    subprocess.run(["scontrol", "release", job], check=True)
    until((results / "done").exists, "the pod has written its results", timeout=60)
    until(lambda: job not in remote.jobs() or remote.jobs()[job] == "COMPLETED", "the job has ended", timeout=60)
    assert not remote.data_root.exists()
    hidden.rename(remote.data_root)

    assert kubelet.wait_for("remote", "Succeeded") == "Succeeded"
    assert (results / "files").read_text().splitlines() == [
        "text", "key", str(len(LARGE)), "-r--------", "it's $HOME \"secret\"", "prepared",
    ]  # fmt: skip
