"""The supervisor as one file that jobs of several versions share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.errors import JobFilesError
from sidecar.job import supervisor
from sidecar.runner.contract import layout


def old_version(root: Path) -> Path:
    path = Path(layout.supervisor(str(root), "0123456789abcdef"))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"an older one")
    return path


def test_the_file_is_readable_for_all_users_and_says_what_it_lacks(tmp_path: Path) -> None:
    supervisor.install(tmp_path)
    path = supervisor.place(tmp_path)
    call = [sys.executable, "-I", "-S", *map(str, (path, "run", tmp_path, tmp_path, tmp_path, 0))]
    done = subprocess.run(call, capture_output=True, text=True, check=False)

    assert path.stat().st_mode & 0o777 == 0o444
    assert path.parent.stat().st_mode & 0o777 == 0o711
    assert list(path.parent.iterdir()) == [path]
    assert done.returncode == 128
    assert done.stderr == f"slurm-sidecar: {tmp_path}/pod.json cannot be read: No such file or directory\n"


def test_a_second_install_leaves_the_file_alone(tmp_path: Path) -> None:
    supervisor.install(tmp_path)
    before = supervisor.place(tmp_path).stat()
    supervisor.install(tmp_path)

    assert supervisor.place(tmp_path).stat() == before


def test_a_supervisor_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / layout.SUPERVISORS).write_text("in the way")

    with pytest.raises(JobFilesError, match=r"The supervisor .* cannot be written: .*DataRootFolder"):
        supervisor.install(tmp_path)


def test_a_version_is_kept_for_as_long_as_a_pod_holds_it(tmp_path: Path) -> None:
    old, pod = old_version(tmp_path), tmp_path / "pod"
    pod.mkdir()
    os.link(old, pod / layout.SUPERVISOR)
    supervisor.install(tmp_path)
    supervisor.remove_unneeded(tmp_path)
    assert old.exists()

    (pod / layout.SUPERVISOR).unlink()
    supervisor.remove_unneeded(tmp_path)
    assert not old.exists()
    assert supervisor.place(tmp_path).exists()


def test_no_version_is_removed_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    old = old_version(tmp_path)
    monkeypatch.setattr(supervisor, "place", lambda _: old)
    supervisor.keep_for(tmp_path, tmp_path)
    monkeypatch.undo()
    supervisor.install(tmp_path)
    supervisor.remove_unneeded(tmp_path)

    assert old.exists()
