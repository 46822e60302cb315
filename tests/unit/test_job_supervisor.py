"""The supervisor's file: what is in it, who can change it, and how long it is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.errors import JobFilesError
from sidecar.pod_files import supervisor
from sidecar.runner.contract import layout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    supervisor.install(tmp_path)
    return supervisor.place(tmp_path)


def test_the_supervisor_runs_without_the_daemons_code(installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(installed), "run", "/nowhere", "/nowhere", "/nowhere", "0"],
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (
        128, "slurm-sidecar: /nowhere/pod.json cannot be read: No such file or directory\n",
    )  # fmt: skip


def test_all_users_can_read_the_supervisor_and_nobody_can_list_the_others(installed: Path) -> None:
    assert installed.stat().st_mode & 0o777 == 0o444
    assert installed.parent.stat().st_mode & 0o777 == 0o711


def test_a_supervisor_that_is_there_is_not_written_again(tmp_path: Path, installed: Path) -> None:
    before = installed.stat()
    supervisor.install(tmp_path)

    assert installed.stat() == before
    assert list(installed.parent.iterdir()) == [installed]


def test_what_else_has_the_supervisors_name_is_replaced(tmp_path: Path, installed: Path) -> None:
    installed.unlink()
    installed.symlink_to("/etc/passwd")
    supervisor.install(tmp_path)

    assert installed.read_bytes() == supervisor.packed()
    assert not installed.is_symlink()


@pytest.mark.parametrize("spoil", ["link", "file", "mode"])
def test_a_folder_that_others_could_write_holds_no_supervisor(tmp_path: Path, spoil: str) -> None:
    folder = tmp_path / layout.SUPERVISORS
    if spoil == "link":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    elif spoil == "file":
        folder.touch()
    else:
        folder.mkdir()
        folder.chmod(0o777)

    with pytest.raises(JobFilesError, match="only the sidecar's user can write"):
        supervisor.install(tmp_path)
    assert not supervisor.place(tmp_path).exists()


def test_a_pods_directory_keeps_the_supervisor_that_its_job_needs(tmp_path: Path, installed: Path) -> None:
    needed, unneeded = (installed.with_name(f"{name}.pyz") for name in ("needed", "unneeded"))
    for old in (needed, unneeded):
        old.write_text(old.name)
    os.link(needed, tmp_path / layout.SUPERVISOR)
    supervisor.remove_unneeded(tmp_path)

    assert sorted(installed.parent.iterdir()) == sorted([installed, needed])


def test_without_hard_links_no_supervisor_is_removed(tmp_path: Path, installed: Path) -> None:
    directory = tmp_path / "pod"
    directory.mkdir()
    (directory / layout.SUPERVISOR).touch()  # no second name can be made either
    supervisor.keep_for(directory, tmp_path)

    assert installed.with_suffix(".keep").exists()


def test_a_python_that_is_too_old_says_so_and_reports_its_code(tmp_path: Path, installed: Path) -> None:
    arguments = [str(installed), "run", str(tmp_path), str(tmp_path), "", "0"]
    pretence = f"import runpy, sys; sys.version_info = (3, 5, 2); sys.argv = {arguments}; "
    done = subprocess.run(
        [sys.executable, "-c", pretence + f"runpy.run_path({str(installed)!r}, run_name='__main__')"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 128
    assert "is Python 3.5, and the supervisor needs 3.6 or newer" in done.stderr
    assert json.loads((tmp_path / layout.REPORT).read_text())["code"] == 128
