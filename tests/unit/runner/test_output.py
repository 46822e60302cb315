"""What a container and its runtime write, on the way into the log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.runner.containers.output import Output
from sidecar.runner.contract.layout import PodFiles
from sidecar.runner.logs import LogWriter
from sidecar.runner.system.event_loop import Loop
from tests.unit.runner.loops import closing


class Pipe:
    """An output, and the log behind it."""

    def __init__(self, root: Path, loop: Loop) -> None:
        (root / "logs").mkdir()
        files = PodFiles(str(root))
        self._log = Path(files.log("main", 0))
        self.writer = LogWriter(files, "main", 0, 0, 2, loop)
        self.output = Output(loop, self.writer)
        self.loop = loop

    def say(self, data: bytes) -> None:
        for start in range(0, len(data), 4096):  # a pipe may hold as little as a page
            os.write(self.output.writing, data[start : start + 4096])
            self.loop.run(self.loop.sleep(0.02))

    def end(self) -> None:
        self.output.started()
        self.loop.run(self.output.finish())
        self.writer.close()

    def log(self) -> bytes:
        return self._log.read_bytes() if self._log.exists() else b""


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    with closing(Loop()) as loop:
        yield Pipe(tmp_path, loop)


def test_what_the_runtime_says_waits_until_it_is_let_through(pipe: Pipe) -> None:
    pipe.say(b"warning\n")
    before = pipe.log()
    pipe.output.let_through()
    pipe.say(b"of the program\n")
    pipe.end()

    assert before == b""
    assert pipe.log() == b"warning\nof the program\n"


def test_a_start_that_is_made_again_leaves_no_words_in_the_log_but_says_them(pipe: Pipe) -> None:
    pipe.say(b"FATAL: no\n")
    pipe.end()

    assert pipe.log() == b""
    assert pipe.output.beginning == b"FATAL: no\n"


def test_it_can_be_let_through_after_its_end(pipe: Pipe) -> None:
    pipe.say(b"FATAL: no\n")
    pipe.end()
    pipe.output.let_through()

    assert pipe.log() == b"FATAL: no\n"


def test_only_its_beginning_is_kept_for_messages(pipe: Pipe) -> None:
    pipe.output.let_through()
    pipe.say(b"x" * 20_000)
    pipe.say(b"y" * 20_000)
    pipe.end()

    assert pipe.output.beginning == b"x" * 16384
    assert len(pipe.log()) == 40_000
