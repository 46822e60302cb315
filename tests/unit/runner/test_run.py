"""One run of a container whose runtime is a program of the test: what goes wrong leaves nothing behind."""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.runner.containers.run import Run
from sidecar.runner.contract.layout import PodFiles
from sidecar.runner.logs import LogWriter
from sidecar.runner.runtimes.base import Started
from sidecar.runner.system import processes
from sidecar.runner.system.event_loop import Future, Loop
from tests.unit.runner.documents import a_container
from tests.unit.runner.loops import closing


@pytest.fixture
def loop() -> Iterator[Loop]:
    with closing(Loop()) as loop:
        yield loop


class Runtime:
    """Starts a program of the node."""

    def __init__(self, loop: Loop, *argv: str) -> None:
        self._loop = loop
        self._argv = argv
        self.children: list[processes.Child] = []

    def adapt(self, words: str, say: object) -> bool:
        return False

    def start(self, output: int) -> Started:
        child = processes.spawn(self._loop, self._argv, {}, output=output)
        self.children.append(child)
        return Started(self._loop, child, None)


class FailingRuntime(Runtime):
    """Of a node that lacks what a start needs, for so many starts."""

    def __init__(self, loop: Loop, error: OSError, failures: int) -> None:
        super().__init__(loop, "/bin/true")
        self._error = error
        self.failures_left = failures

    def start(self, output: int) -> Started:
        if self.failures_left:
            self.failures_left -= 1
            raise self._error
        return super().start(output)


def run_with(loop: Loop, tmp_path: Path, runtime: Runtime, report: Callable[..., None]) -> Run:
    (tmp_path / "logs").mkdir(exist_ok=True)
    job = SimpleNamespace(
        loop=loop, work=str(tmp_path), report=SimpleNamespace(write=report), shell_words=str, grace_seconds=int
    )
    parts: Any = SimpleNamespace(job=job, runtime_for=lambda *_: runtime)
    container: Any = SimpleNamespace(
        name="main", document=a_container(), must_end=Future(), has_started=Future(), job=job
    )
    return Run(container, parts, 0, LogWriter(PodFiles(str(tmp_path)), "main", 0, 0, 2, loop))


def descriptors(folder: Path) -> dict[str, str]:
    """Pipes, and files of this test; other tests in this process leave theirs to the collector of garbage."""
    gc.collect()
    found = {path.name: str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}
    return {name: place for name, place in found.items() if place.startswith(("pipe:", str(folder)))}


def opened_since(before: dict[str, str], folder: Path) -> list[str]:
    return [Path(place).name for name, place in descriptors(folder).items() if before.get(name) != place]


def nothing_to_report(*_: object) -> None:
    pass


def test_a_start_that_fails_leaves_no_descriptor(loop: Loop, tmp_path: Path) -> None:
    runtime = FailingRuntime(loop, OSError(13, "Permission denied"), failures=2)
    run = run_with(loop, tmp_path, runtime, nothing_to_report)
    before = descriptors(tmp_path)

    with pytest.raises(OSError, match="Permission denied"):
        loop.run(run.run("image", []))

    assert opened_since(before, tmp_path) == []
    assert runtime.failures_left == 1


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOSPC])
def test_a_start_that_a_node_cannot_make_just_now_is_made_later(loop: Loop, tmp_path: Path, number: int) -> None:
    runtime = FailingRuntime(loop, OSError(number, "not now"), failures=1)
    run = run_with(loop, tmp_path, runtime, nothing_to_report)
    code, [(kind, _)] = loop.run(run.run("image", []))

    assert (code, kind, len(runtime.children)) == (0, "container_terminated", 1)
    assert "tried again in 1 s" in (tmp_path / "logs" / "main.0.log").read_text()


def test_a_fault_of_ours_does_not_leave_the_container_running(loop: Loop, tmp_path: Path) -> None:
    def failing(*_: object) -> None:
        raise OSError(24, "Too many open files")

    runtime = Runtime(loop, "/bin/sleep", "1000")
    run = run_with(loop, tmp_path, runtime, failing)
    before = descriptors(tmp_path)

    with pytest.raises(OSError, match="Too many open files"):
        loop.run(run.run("image", []))

    assert [child.exited.value for child in runtime.children] == [137]
    assert [name for name in opened_since(before, tmp_path) if name != "main.0.log"] == []


def test_a_command_that_could_not_be_executed_lets_its_last_words_go(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = tmp_path / "held"
    held.write_bytes(b"")
    monkeypatch.setattr(Run, "_hold_words", lambda *_: os.open(held, os.O_RDONLY))
    runtime = Runtime(loop, "/bin/sh", "-c", "echo 'FATAL:   no such file'; exit 255")
    run = run_with(loop, tmp_path, runtime, nothing_to_report)
    before = descriptors(tmp_path)

    code, [(kind, fields)] = loop.run(run.run(str(tmp_path / "no.sif"), []))

    assert (code, kind, fields["cannot_run"]) == (128, "container_terminated", 255)
    # The log is its owner's to close.
    assert opened_since(before, tmp_path) == ["main.0.log"]
