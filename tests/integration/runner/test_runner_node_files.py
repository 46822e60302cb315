"""Nodes that do not see the pod's directory."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from sidecar.domain.pod import (
    ClaimVolume,
    EmptyDirVolume,
    FilesVolume,
    HostPathVolume,
    Mount,
    VolumeFile,
)
from sidecar.pod_files import directory
from sidecar.pod_files.site import JobSite
from tests.jobs import a_container, a_pod
from tests.running import NASTY, Job, Starter, start_script

CONF = FilesVolume(name="conf", files=(VolumeFile(path="key", content=b"value\n"),))


def test_without_a_shared_file_system_everything_travels_in_the_script(start: Starter, tmp_path: Path) -> None:
    mounts = (Mount(volume="conf", path="/c"), Mount(volume="e", path="/e"))
    command = a_container("main", "sh", "-c", 'cat /c/key; echo "$V" > /e/x; cat /e/x > /h/result', env={"V": NASTY})
    pod = a_pod(
        replace(command, mounts=(*mounts, Mount(volume="h", path="/h"))),
        volumes=(
            CONF,
            EmptyDirVolume(name="e"),
            HostPathVolume(name="h", path=str(tmp_path)),
        ),
    )
    job = start(pod, site=JobSite(data_root=tmp_path, shared_fs=False))
    job.finish()
    elsewhere = tmp_path / "script-only"
    elsewhere.mkdir()
    (tmp_path / "result").unlink()
    script = elsewhere / "job.slurm"
    script.write_text(job.files.script.read_text())
    directory.remove(job.files)
    alone = Job(job.files, start_script(script, tmp_path, "123"))

    assert (job.process.returncode, alone.finish()) == (0, 0)
    assert (tmp_path / "result").read_text() == NASTY + "\n"
    assert list((tmp_path / "node-tmp").iterdir()) == []


def test_a_node_that_has_no_data_folder_at_all_runs_the_pod_with_all_its_volumes(
    start: Starter, tmp_path: Path
) -> None:
    secret = FilesVolume(name="secret", files=(VolumeFile(path="a/b", content=b"\0s3cr3t\xff", mode=0o400),))
    mounts = (
        Mount(volume="conf", path="/c"),
        Mount(volume="secret", path="/c/inner"),
        Mount(volume="conf", path="/etc/one", sub_path="key"),
        Mount(volume="disk", path="/disk"),
        Mount(volume="fast", path="/fast"),
        Mount(volume="claim", path="/claim", sub_path="out"),
    )
    text = (
        "cat /c/key /etc/one >/disk/x; stat -c %a /c/inner/a/b >>/disk/x; cat /c/inner/a/b >/fast/y;"
        " cat /disk/x /fast/y >/claim/result"
    )
    claim = tmp_path / "claim"
    claim.mkdir()
    pod = a_pod(
        a_container("main", "sh", "-c", text, mounts=mounts),
        volumes=(
            CONF,
            secret,
            EmptyDirVolume(name="disk"),
            EmptyDirVolume(name="fast", in_memory=True),
            ClaimVolume(name="claim", path=str(claim)),
        ),
    )
    root = tmp_path / "data"
    first = start(pod, site=JobSite(data_root=root, shared_fs=False))
    assert first.finish() == 0
    elsewhere = tmp_path / "script-only"
    elsewhere.mkdir()
    (claim / "out" / "result").unlink()
    script = elsewhere / "job.slurm"
    script.write_text(first.files.script.read_text())
    shutil.rmtree(root)
    alone = Job(first.files, start_script(script, tmp_path, "124"))

    assert alone.finish() == 0
    assert (claim / "out" / "result").read_bytes() == b"value\nvalue\n400\n\0s3cr3t\xff"
    assert not root.exists()
    assert list((tmp_path / "node-tmp").iterdir()) == []
