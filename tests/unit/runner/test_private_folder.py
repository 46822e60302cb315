"""What a job whose first process was killed has left on its node goes with the next job's end."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from sidecar.runner import private_folder
from sidecar.runner.private_folder import make_private, remove_abandoned


@pytest.fixture(scope="module")
def dead() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def folder_of(parent: Path, pid: int, host: str = os.uname().nodename) -> Path:
    folder = parent / f"slurm-sidecar.{host}.{pid}.Ab12Cd34"
    (folder / "work").mkdir(parents=True)
    return folder


def test_a_dead_jobs_folder_goes_and_a_living_ones_stays(tmp_path: Path, dead: int) -> None:
    abandoned, living = folder_of(tmp_path, dead), folder_of(tmp_path, os.getpid())
    remove_abandoned(str(tmp_path))

    assert not abandoned.exists()
    assert living.exists()


def test_folders_of_other_hosts_and_other_names_stay(tmp_path: Path, dead: int) -> None:
    kept = [folder_of(tmp_path, dead, "elsewhere"), tmp_path / "slurm-sidecar", tmp_path / f"other.{dead}"]
    for folder in kept[1:]:
        folder.mkdir()
    remove_abandoned(str(tmp_path))

    assert all(folder.exists() for folder in kept)


def test_a_folder_that_its_own_job_removes_meanwhile_is_no_error(
    tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = folder_of(tmp_path / "gone", dead).name
    abandoned = folder_of(tmp_path, dead)
    monkeypatch.setattr(os, "listdir", lambda _: [gone.replace("Ab12", "Xy34"), abandoned.name])
    remove_abandoned(str(tmp_path))

    assert not abandoned.exists()


def test_a_temporary_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    remove_abandoned(str(tmp_path / "gone"))


def test_a_place_with_room_for_one_folder_only_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mkdir(path: str, mode: int) -> None:
        if path.startswith(str(tmp_path / "small")) and path.endswith("/tmp"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        made(path, mode)

    made = os.mkdir
    for name in ("small", "other"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(os, "mkdir", mkdir)
    monkeypatch.setattr(private_folder, "_OTHER_PLACE", str(tmp_path / "other"))
    folder = make_private(str(tmp_path / "small"))

    assert Path(folder).parent == tmp_path / "other"
    assert list((tmp_path / "small").iterdir()) == []
