"""What keeps a job from beginning: one sentence says so, and nothing of the pod runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.domain.pod import JobOptions
from sidecar.pod_files import directory
from sidecar.pod_files.paths import PodDirectory
from sidecar.pod_files.site import JobSite
from sidecar.runner.contract import layout
from tests.integration.runner.conftest import PYTHON
from tests.jobs import a_plan
from tests.running import Job, Starter, shell, start_script

WAYS_TO_BEGIN = pytest.mark.parametrize("pre_exec", ["", "true"], ids=["alone", "after_shell_text"])


@pytest.fixture
def written(tmp_path: Path, start: Starter, image: Path) -> Callable[..., PodDirectory]:
    """Writes a pod's directory, which is then damaged."""

    def write(pre_exec: str = "", **site: Any) -> PodDirectory:
        root = tmp_path / "data"
        root.mkdir(exist_ok=True)
        pod = shell("echo ran", options=JobOptions(pre_exec=pre_exec))
        pod = replace(pod, containers=tuple(replace(c, image=str(image)) for c in pod.containers))
        where = JobSite(data_root=root, **{"runner_python": PYTHON, **site})
        return directory.write(pod, a_plan(pod), root=root, token="t", site=where)

    return write


def begun(files: PodDirectory, tmp_path: Path) -> Job:
    return Job(files, start_script(files.script, tmp_path, "123"))


def said(job: Job, code: int = 128) -> str:
    """The one sentence; nothing has run, and nothing is left on the node."""
    assert job.finish() == code
    assert "ContainerStarted main.0" not in job.story()
    [line] = job.output.splitlines()
    assert line.startswith("slurm-sidecar: ")
    assert list((job.files.root.parent.parent / "node-tmp").iterdir()) == []
    return line


def newer(document: Path) -> None:
    content = json.loads(document.read_text())
    document.write_text(json.dumps({**content, "version": content["version"] + 1}))


@WAYS_TO_BEGIN
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (Path.unlink, "cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "cannot be run: it is damaged"),
        (lambda path: path.write_bytes(b""), "cannot be run: it is damaged"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "cannot be run: it is damaged"),
        (lambda path: path.write_text("[]"), "cannot be run: it is damaged"),
        (lambda path: path.write_text('{"version":1}'), "cannot be run: it is damaged"),
        (newer, "cannot be run: it has version 2, and this supervisor reads version 1"),
        (lambda path: path.chmod(0), "cannot be read: Permission denied"),
    ],
    ids=["gone", "cut_off", "empty", "no_text", "no_document", "no_containers", "newer", "unreadable"],
)
def test_a_document_that_cannot_be_run_is_named(
    written: Callable[..., PodDirectory], tmp_path: Path, pre_exec: str, damage: Callable[[Path], None], words: str
) -> None:
    files = written(pre_exec)
    path = files.root / layout.DOCUMENT
    damage(path)
    job = Job(files, start_script_of_damaged(files, tmp_path))

    assert words in said(job)
    assert str(path) in job.output


def start_script_of_damaged(files: PodDirectory, tmp_path: Path) -> Any:
    """As it is: not with shorter waits, which would have to be written into it."""
    copy = tmp_path / "job.slurm"
    copy.write_text(files.script.read_text())
    return start_script(copy, tmp_path, "123")


@WAYS_TO_BEGIN
def test_a_supervisor_that_is_gone_is_named(
    written: Callable[..., PodDirectory], tmp_path: Path, pre_exec: str
) -> None:
    files = written(pre_exec)
    for path in (tmp_path / "data" / layout.SUPERVISORS).iterdir():
        path.unlink()
    (files.root / layout.SUPERVISOR).unlink()

    assert "is gone or cannot be read on node" in said(begun(files, tmp_path))


@WAYS_TO_BEGIN
def test_a_python_that_is_not_there_is_named(
    written: Callable[..., PodDirectory], tmp_path: Path, pre_exec: str
) -> None:
    files = written(pre_exec, runner_python="/no/such/python")
    line = said(begun(files, tmp_path))

    assert "there is no /no/such/python on node" in line
    assert "RunnerPython can name another one" in line


@WAYS_TO_BEGIN
@pytest.mark.parametrize("kind", ["folder", "other_machine", "no_interpreter"])
def test_a_python_that_cannot_be_started_is_named(
    written: Callable[..., PodDirectory], tmp_path: Path, pre_exec: str, kind: str
) -> None:
    python = tmp_path / "bad-python"
    if kind == "folder":
        python.mkdir()
    else:
        python.write_bytes(b"\x7fELF\0" if kind == "other_machine" else b"#!/no/such\n")
        python.chmod(0o755)
    job = begun(written(pre_exec, runner_python=str(python)), tmp_path)

    assert job.finish() == 128
    words = "there is no" if kind == "folder" else "cannot be started on node"
    assert words in job.output.splitlines()[-1]
    assert job.story() == ["JobFinished 128"]
    assert list((tmp_path / "node-tmp").iterdir()) == []


@WAYS_TO_BEGIN
@pytest.mark.parametrize("version", [(2, 7), (3, 5)])
def test_a_python_that_is_too_old_says_so(
    written: Callable[..., PodDirectory], tmp_path: Path, pre_exec: str, version: tuple[int, int]
) -> None:
    python = tmp_path / "old-python"
    code = (
        f"import sys, runpy; sys.version_info = {version!r}; sys.argv = sys.argv[1:]; sys.path.insert(0, sys.argv[0]); "
    )
    code += 'runpy.run_path(sys.argv[0], run_name="__main__")'
    python.write_text(f"#!/bin/sh\nshift 2\nexec /usr/bin/python3 -I -S -c '{code}' \"$@\"\n")
    python.chmod(0o755)
    line = said(begun(written(pre_exec, runner_python=str(python)), tmp_path))

    assert f"is Python {version[0]}.{version[1]}, and the supervisor needs 3.6 or newer" in line
    assert "RunnerPython" in line


def test_a_folder_on_the_node_that_the_shell_text_removed_is_named(
    written: Callable[..., PodDirectory], tmp_path: Path
) -> None:
    job = begun(written('rm -rf "${TMPDIR%/tmp}"'), tmp_path)

    assert "the pod's folders cannot be made on node" in said(job)
    assert job.story()[-1] == "JobFinished 128"


@pytest.mark.parametrize("text", ["exec >&-", "exec 2>&-", "exec <&- >&- 2>&-", "exec >/dev/full 2>&1"])
def test_shell_text_may_close_its_output(start: Starter, text: str) -> None:
    job = start(shell("echo ran; exit 7", options=JobOptions(pre_exec=text)))

    assert job.finish() == 7
    assert job.output == ""
    assert job.log() == "ran\n"


@pytest.mark.parametrize("text", ["unset PATH; exit 3", "rm() { :; }; exit 3"])
def test_shell_text_that_fails_leaves_nothing_whatever_it_changed(start: Starter, tmp_path: Path, text: str) -> None:
    job = start(shell("echo ran", options=JobOptions(pre_exec=text)))

    assert job.finish() == 3
    assert list((tmp_path / "node-tmp").iterdir()) == []


@WAYS_TO_BEGIN
def test_a_temporary_folder_that_is_not_there_is_replaced(start: Starter, tmp_path: Path, pre_exec: str) -> None:
    text = f"{pre_exec}\necho $TMPDIR" if pre_exec else ""
    job = start(shell("echo ran", options=JobOptions(pre_exec=text)), tmpdir=tmp_path / "gone")

    assert job.finish() == 0
    assert job.log() == "ran\n"
    if text:
        assert job.output.startswith("/tmp/slurm-sidecar.")
        assert not Path(job.output.strip()).exists()


def test_a_page_that_cannot_say_why_still_does_not_run_the_pod(
    written: Callable[..., PodDirectory], tmp_path: Path
) -> None:
    files = written()
    files.claim.write_text("77\n")
    process = os.posix_spawn(
        "/bin/bash",
        ["bash", str(files.script)],
        {"PATH": os.environ["PATH"], "SLURM_JOB_ID": "123"},
        file_actions=[(os.POSIX_SPAWN_OPEN, n, "/dev/full", os.O_WRONLY, 0) for n in (1, 2)],
    )
    _, status = os.waitpid(process, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert not files.report.exists()
