"""The last words of a job, whoever wrote them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sidecar.job_output import output
from sidecar.pod_files.paths import PodDirectory


@pytest.fixture
def files(tmp_path: Path) -> PodDirectory:
    files = PodDirectory(tmp_path / "pod")
    files.root.mkdir()
    return files


def test_the_last_lines_are_a_jobs_last_words(files: PodDirectory) -> None:
    files.output.write_text("first\n" * 1000 + "dataset missing\n")

    words = output.last_words(files)

    assert words.startswith("first\n")
    assert words.endswith("\ndataset missing")
    assert len(words) <= output.MAX_BYTES


def test_the_end_of_one_long_line_counts_too(files: PodDirectory) -> None:
    files.output.write_text("x" * 5000)

    assert output.last_words(files) == "x" * output.MAX_BYTES


def test_control_characters_are_left_out(files: PodDirectory) -> None:
    files.output.write_bytes(b"\x1b[31mred\x1b[0m\r\n\0\x07bell\ttab \xff\n")

    assert output.last_words(files) == "red\nbell\ttab \ufffd"


@pytest.mark.parametrize("forgery", ["none", "link", "pipe", "folder"])
def test_what_is_no_output_has_no_words(files: PodDirectory, tmp_path: Path, forgery: str) -> None:
    (tmp_path / "secret").write_text("secret")
    match forgery:
        case "link":
            files.output.symlink_to(tmp_path / "secret")
        case "pipe":
            os.mkfifo(files.output)
        case "folder":
            files.output.mkdir()

    assert output.last_words(files) == ""
