"""Nodes that do not see the pod's directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sidecar.domain.pod import (
    EmptyDirVolume,
    FilesVolume,
    HostPathVolume,
    Mount,
    VolumeFile,
)
from sidecar.job import directory
from sidecar.job.site import JobSite
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
