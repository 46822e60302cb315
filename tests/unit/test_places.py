"""What jobs need in the data folder beside their pods' directories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sidecar.errors import JobFilesError
from sidecar.pod_files import places, supervisor
from sidecar.runner.contract import layout

UID = os.getuid()


def test_the_daemon_puts_there_what_its_jobs_need(tmp_path: Path) -> None:
    places.prepare(tmp_path, [])

    assert supervisor.place(tmp_path).read_bytes() == supervisor.packed()
    assert Path(layout.bell(str(tmp_path), UID)).is_file()
    assert not list(places.problems(tmp_path, UID))


def test_a_supervisor_that_no_job_needs_goes(tmp_path: Path) -> None:
    places.prepare(tmp_path, [])
    old, held = (Path(layout.supervisor(str(tmp_path), digest)) for digest in ("old", "held"))
    old.write_bytes(b"")
    held.write_bytes(b"")
    (tmp_path / "pod").hardlink_to(held)

    places.prepare(tmp_path, [])

    assert (old.exists(), held.exists()) == (False, True)


def test_the_daemon_starts_beside_an_old_supervisor_that_it_cannot_remove(tmp_path: Path) -> None:
    places.prepare(tmp_path, [])
    old = Path(layout.supervisor(str(tmp_path), "old"))
    old.write_bytes(b"")
    old.parent.chmod(0o500)

    with capture_logs() as logs:
        places.prepare(tmp_path, [])
    old.parent.chmod(0o700)

    assert [entry["event"] for entry in logs] == ["old supervisors stay in DataRootFolder"]


def test_the_daemon_does_not_start_where_its_jobs_have_no_program(tmp_path: Path) -> None:
    (tmp_path / layout.SUPERVISORS).write_bytes(b"")

    with pytest.raises(JobFilesError, match="cannot be written"):
        places.prepare(tmp_path, [])


def test_a_place_that_is_no_folder_or_anothers_is_named(tmp_path: Path) -> None:
    (tmp_path / layout.BELLS).write_bytes(b"")
    (tmp_path / layout.IMAGES).mkdir()

    assert [text.split(" ", 1)[1] for text in places.problems(tmp_path, UID + 1)] == [
        "is not a folder; remove it",
        f"belongs to user {UID}, and the sidecar is user {UID + 1}; remove it or change its owner",
    ]
