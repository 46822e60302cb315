"""Writing and removing a pod's directory."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.domain.pod import EmptyDirVolume, FilesVolume, Pod, VolumeFile
from sidecar.errors import JobFilesError
from sidecar.pod_files import directory
from sidecar.pod_files.paths import PodDirectory
from sidecar.pod_files.site import JobSite
from sidecar.runner.contract import layout
from tests.jobs import UID, a_container, a_plan, a_pod

FILES = FilesVolume(
    name="conf",
    files=(
        VolumeFile(path="key", content=b"s3cr3t", mode=0o400),
        VolumeFile(path="deep/er/tool", content=b"#!", mode=0o755),
    ),
)


def write(root: Path, *, shared_fs: bool = True, pod: Pod | None = None, token: str = "token") -> PodDirectory:
    pod = pod or a_pod(a_container("main", "true", env={"A": "1"}), volumes=(FILES, EmptyDirVolume(name="e")))
    site = JobSite(data_root=root, shared_fs=shared_fs)
    return directory.write(pod, a_plan(pod), root=root, token=token, site=site)


def entries(root: Path) -> list[str]:
    """What is in the data folder beside the supervisors."""
    return sorted(path.name for path in root.iterdir() if path.name != layout.SUPERVISORS)


def modes(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): f"{p.stat().st_mode & 0o7777:o}" for p in [root, *sorted(root.rglob("*"))]}


def test_everything_is_there_with_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files = write(tmp_path)
    finally:
        os.umask(before)

    assert files.root == tmp_path / f"lab-{UID}"
    assert modes(files.root) == {
        ".": "700",
        "job.slurm": "600",
        "logs": "700",
        "pod.json": "600",
        "supervisor.pyz": "444",
        "volumes": "700",
        "volumes/conf": "700",
        "volumes/conf/deep": "700",
        "volumes/conf/deep/er": "700",
        "volumes/conf/deep/er/tool": "755",
        "volumes/conf/key": "400",
    }
    assert (files.volume("conf") / "key").read_bytes() == b"s3cr3t"
    assert entries(tmp_path) == [files.root.name]


def test_where_nodes_do_not_see_it_only_the_script_is_written(tmp_path: Path) -> None:
    files = write(tmp_path, shared_fs=False)

    assert set(modes(files.root)) == {".", "job.slurm", "logs"}


def test_an_empty_volume_is_an_empty_folder(tmp_path: Path) -> None:
    files = write(tmp_path, pod=a_pod(volumes=(FilesVolume(name="none", files=()),)))

    assert list(files.volume("none").iterdir()) == []


def test_more_files_than_a_process_may_open_at_once(tmp_path: Path) -> None:
    many = tuple(VolumeFile(path=f"f{n}", content=str(n).encode()) for n in range(1500))
    files = write(tmp_path, pod=a_pod(volumes=(FilesVolume(name="many", files=many),)))

    assert len(list(files.volume("many").iterdir())) == 1500
    assert (files.volume("many") / "f1499").read_text() == "1499"


def test_a_directory_nobody_has_claimed_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, token="first")
    files = write(tmp_path, token="second")

    assert ":second" in files.script.read_text()
    assert entries(tmp_path) == [files.root.name]


def test_a_claimed_directory_is_never_touched(tmp_path: Path) -> None:
    files = write(tmp_path, token="first")
    files.claim.write_text("123\n")

    with pytest.raises(JobFilesError, match="A job has claimed"):
        write(tmp_path, token="second")
    assert ":first" in files.script.read_text()
    assert entries(tmp_path) == [files.root.name]


def test_without_a_data_folder_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(JobFilesError, match=r"No such file or directory.*DataRootFolder"):
        write(tmp_path / "absent")


def test_the_supervisor_is_kept_once_and_held_by_every_pods_directory(tmp_path: Path) -> None:
    first = write(tmp_path)
    second = write(tmp_path, pod=replace(a_pod(), uid="another"))
    (kept,) = (tmp_path / layout.SUPERVISORS).iterdir()

    assert kept.stat().st_ino == (first.root / layout.SUPERVISOR).stat().st_ino
    assert kept.stat().st_ino == (second.root / layout.SUPERVISOR).stat().st_ino
    assert kept.stat().st_nlink == 3
    directory.remove(first)
    assert kept.stat().st_nlink == 2


def test_a_full_disk_leaves_nothing_behind_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)

    with pytest.raises(JobFilesError, match="No space left on device") as failure:
        write(tmp_path)
    assert "s3cr3t" not in str(failure.value)
    assert entries(tmp_path) == []


def test_two_files_where_only_one_can_be_are_an_error(tmp_path: Path) -> None:
    clash = (VolumeFile(path="a", content=b""), VolumeFile(path="a/b", content=b""))

    with pytest.raises(JobFilesError):
        write(tmp_path, pod=a_pod(volumes=(FilesVolume(name="v", files=clash),)))


def test_removing_takes_everything_with_it_but_never_follows_a_link(tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    keep.mkdir(mode=0o500)
    files = write(tmp_path)
    locked = files.empty_dir("e") / "locked"
    locked.mkdir(parents=True)
    (locked / "file").touch(mode=0)
    (locked / "link").symlink_to(keep)
    (locked / "inner").mkdir(mode=0)
    locked.chmod(0)
    directory.remove(files)

    assert entries(tmp_path) == [keep.name]
    assert keep.stat().st_mode & 0o777 == 0o500


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    directory.remove(PodDirectory(tmp_path / "absent"))


def test_marking_as_deleted_keeps_the_files_and_needs_none(tmp_path: Path) -> None:
    files = write(tmp_path)
    directory.mark_deleted(files)
    directory.mark_deleted(PodDirectory(tmp_path / "absent"))

    assert files.deleted.exists()
    assert files.script.exists()
    assert entries(tmp_path) == [files.root.name]


@pytest.mark.parametrize("name", ["grace", "deleted"])
def test_a_mark_neither_follows_a_link_nor_waits_for_a_pipe(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    marks = {"grace": lambda files: directory.set_grace(files, 5), "deleted": directory.mark_deleted}
    for put in (lambda path: path.symlink_to(outside), os.mkfifo, Path.mkdir):
        files = write(tmp_path)
        put(files.root / name)
        with pytest.raises(JobFilesError):
            marks[name](files)
        directory.remove(files)

    assert outside.read_text() == "kept"


def test_leftovers_of_a_killed_sidecar_are_removed_and_nothing_else(tmp_path: Path) -> None:
    files = write(tmp_path)
    for name in (".new-lab-x", ".gone-lab-y"):
        (tmp_path / name / "volumes").mkdir(parents=True)
    (tmp_path / ".images").mkdir()
    directory.remove_abandoned(tmp_path)

    assert entries(tmp_path) == [".images", files.root.name]
