"""mksquashfs with the limits of a job."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sidecar.runner.node import mksquashfs

MIB = 1024 * 1024


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A folder with a mksquashfs that prints its arguments."""
    folder = tmp_path / "it's here"
    folder.mkdir()
    program = folder / "mksquashfs"
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    return folder


def arguments(fake: Path, folder: Path, memory: int, *words: str) -> list[str]:
    environment = {b"PATH": os.fsencode(f"{fake}:/usr/bin:/bin")}
    environment.update(mksquashfs.limited(str(folder / "bin"), environment, memory))
    done = subprocess.run(["mksquashfs", *words], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_limits_come_before_the_options_of_the_site(fake: Path, tmp_path: Path) -> None:
    words = arguments(fake, tmp_path, 128 * MIB, "/a b", "/out", "-noappend", "-mem", "1G")

    assert words == ["/a b", "/out", "-processors", "1", "-mem", "32M", "-noappend", "-mem", "1G"]


def test_limits_come_last_where_there_are_no_options(fake: Path, tmp_path: Path) -> None:
    assert arguments(fake, tmp_path, 128 * MIB, "/a", "/out") == ["/a", "/out", "-processors", "1", "-mem", "32M"]


def test_a_question_for_the_version_is_passed_on_as_it_is(fake: Path, tmp_path: Path) -> None:
    assert arguments(fake, tmp_path, 128 * MIB, "-version") == ["-version"]


def test_mksquashfs_never_gets_less_memory_than_it_takes(fake: Path, tmp_path: Path) -> None:
    assert "16M" in arguments(fake, tmp_path, 20 * MIB, "/a", "/out")


def test_nothing_changes_where_there_is_no_mksquashfs(tmp_path: Path) -> None:
    assert mksquashfs.limited(str(tmp_path / "bin"), {b"PATH": os.fsencode(tmp_path)}, 128 * MIB) == {}
    assert not (tmp_path / "bin").exists()


def test_the_real_program_takes_the_limits(tmp_path: Path) -> None:
    environment = dict(os.environb)
    environment.update(mksquashfs.limited(str(tmp_path / "bin"), environment, 128 * MIB))
    (tmp_path / "source").mkdir()
    words = ["mksquashfs", str(tmp_path / "source"), str(tmp_path / "out"), "-noappend", "-quiet"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out").stat().st_size > 0
