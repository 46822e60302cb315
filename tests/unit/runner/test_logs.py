"""Writing a container's log: every byte once, in as many files as the site allows."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.job_output.log_reader import LogFollower, LogOptions
from sidecar.runner.contract.layout import PodFiles
from sidecar.runner.logs import LogWriter
from sidecar.runner.system.event_loop import Loop

LOSS = b"bytes of this log were lost"


@pytest.fixture(scope="module")
def loop() -> Loop:
    return Loop()


@pytest.fixture
def files(tmp_path: Path) -> PodFiles:
    (tmp_path / "logs").mkdir()
    return PodFiles(str(tmp_path))


def a_writer(files: PodFiles, loop: Loop, *, max_bytes: int = 0, max_files: int = 2) -> LogWriter:
    return LogWriter(files, "main", 0, max_bytes, max_files, loop)


def texts(files: PodFiles) -> list[bytes]:
    """The log's files, the oldest first."""
    log = Path(files.log("main", 0))
    numbers = sorted((int(path.suffix[1:]) for path in log.parent.glob(f"{log.name}.*")), reverse=True)
    return [*(Path(f"{log}.{number}").read_bytes() for number in numbers), log.read_bytes()]


def entries(path: Path) -> list[tuple[float, int]]:
    return [(float(time), int(size)) for time, size in (line.split() for line in path.read_text().splitlines())]


def test_what_a_container_writes_is_appended_for_its_user_only(files: PodFiles, loop: Loop) -> None:
    writer = a_writer(files, loop)
    for text in (b"one\n", b"tw", b"o\n"):
        writer.write(text)
    writer.close()

    assert texts(files) == [b"one\ntwo\n"]
    assert Path(files.log("main", 0)).stat().st_mode & 0o777 == 0o600


def test_a_log_is_rotated_between_lines(files: PodFiles, loop: Loop) -> None:
    writer = a_writer(files, loop, max_bytes=10, max_files=3)
    writer.write(b"one\ntwo\nthree\n")
    writer.write(b"four\n")
    writer.close()

    assert texts(files) == [b"one\ntwo\n", b"three\n", b"four\n"]


def test_a_write_that_fits_into_a_file_is_not_split(files: PodFiles, loop: Loop) -> None:
    writer = a_writer(files, loop, max_bytes=10)
    writer.write(b"one\ntwo\n")
    writer.write(b"a\nb\nc\n")
    writer.close()

    assert texts(files) == [b"one\ntwo\n", b"a\nb\nc\n"]


def test_a_line_longer_than_a_file_is_split(files: PodFiles, loop: Loop) -> None:
    writer = a_writer(files, loop, max_bytes=4, max_files=9)
    writer.write(b"0123456789\n")
    writer.close()

    assert texts(files) == [b"0123", b"4567", b"89\n"]


def test_the_oldest_file_goes(files: PodFiles, loop: Loop) -> None:
    writer = a_writer(files, loop, max_bytes=4, max_files=2)
    for text in (b"one\n", b"two\n", b"six\n"):
        writer.write(text)
    writer.close()

    assert texts(files) == [b"two\n", b"six\n"]


def test_each_file_has_its_own_index(files: PodFiles, loop: Loop) -> None:
    index = Path(files.log_index("main", 0))
    writer = a_writer(files, loop, max_bytes=8, max_files=3)
    for text in (b"one\n", b"two\n", b"three\n"):
        writer.write(text)
    writer.close()

    assert [size for _, size in entries(index.with_name(f"{index.name}.1"))] == [4, 8]
    assert [size for _, size in entries(index)] == [6]


def test_times_are_written_at_once_and_then_once_a_second(files: PodFiles, loop: Loop) -> None:
    index = Path(files.log_index("main", 0))
    writer = a_writer(files, loop)

    async def chat() -> None:
        writer.write(b"one\n")
        assert [size for _, size in entries(index)] == [4]
        writer.write(b"two\n")
        writer.write(b"three\n")
        while len(entries(index)) < 2:
            await loop.sleep(0.05)

    loop.run(loop.within(30, chat()))
    (first, _), (second, size) = entries(index)
    writer.close()

    assert size == 14
    assert second - first > 0.9


def test_closing_writes_the_last_time(files: PodFiles, loop: Loop) -> None:
    writer = a_writer(files, loop)
    writer.write(b"one\n")
    writer.write(b"two\n")
    writer.close()

    assert [size for _, size in entries(Path(files.log_index("main", 0)))] == [4, 8]


def test_the_last_words_are_the_last_lines_of_the_last_bytes(files: PodFiles, loop: Loop) -> None:
    writer = a_writer(files, loop, max_bytes=100)
    for number in range(1000):
        writer.write(b"line %d\n" % number)
    writer.write(b"and a half")

    assert writer.tail(2048, 2) == b"line 999\nand a half"
    assert writer.tail(5, 80) == b" half"
    writer.write(b"\n50 %\r100 %\n")
    assert writer.tail(2048, 1) == b"50 %\r100 %\n"
    writer.close()


@pytest.fixture
def small_files() -> Iterator[int]:
    """As if the disk were full after so many bytes of a file; the system's own limit does it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield 1000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_written_is_counted_and_told_later(files: PodFiles, loop: Loop, small_files: int) -> None:
    writer = a_writer(files, loop)
    writer.write(b"x" * 600)
    writer.write(b"y" * 600)
    writer.write(b"z" * 100)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    loop.run(loop.sleep(1.1))
    writer.write(b"on again\n")
    writer.close()

    (text,) = texts(files)
    assert text.startswith(b"x" * 600 + b"y" * 400 + b"\nslurm-sidecar: 300 " + LOSS)
    assert text.endswith(b"\non again\n")


_ON_A_FULL_DISK = """
import os, sys
from sidecar.runner.contract.layout import PodFiles
from sidecar.runner.logs import LogWriter
from sidecar.runner.system.event_loop import Loop
folder, loop = sys.argv[1], Loop()
os.mkdir(folder + "/logs")
with open(folder + "/filler", "wb") as filler:
    filler.write(bytes(32768))
writer = LogWriter(PodFiles(folder), "main", 0, 0, 2, loop)
for _ in range(20):
    writer.write(b"x" * 9999 + b"\\n")
os.unlink(folder + "/filler")
loop.run(loop.sleep(1.1))
writer.write(b"on again\\n")
writer.close()
with open(folder + "/logs/main.0.log", "rb") as log:
    print(log.read()[-200:].decode())
"""


def test_a_full_disk_ends_nobody_and_is_told(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=128k none '{tmp_path}' && exec '{sys.executable}' -c \"$0\" '{tmp_path}'"
    unshare = [shutil.which("unshare") or "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    ended = subprocess.run(
        [*unshare, _ON_A_FULL_DISK], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "bytes of this log were lost: the file system was full\non again\n" in ended.stdout


@pytest.mark.parametrize("forgery", ["link", "pipe", "folder"])
def test_what_is_put_in_the_logs_place_harms_nobody(files: PodFiles, loop: Loop, tmp_path: Path, forgery: str) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"")
    log = Path(files.log("main", 0))
    match forgery:
        case "link":
            log.symlink_to(other)
        case "pipe":
            os.mkfifo(log)
        case _:
            log.mkdir()
    writer = a_writer(files, loop)
    writer.write(b"secret\n")
    writer.close()

    assert other.read_bytes() == b""


TEXT = st.lists(st.sampled_from([b"\n", b"a line\n", b"half", b"x" * 25, b"1\n2\n3\n"]), max_size=8).map(b"".join)


@settings(max_examples=100, deadline=None)
@given(rounds=st.lists(TEXT, max_size=10), max_bytes=st.integers(20, 60))
def test_a_follower_reads_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, loop: Loop, rounds: list[bytes], max_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("pod")
    (folder / "logs").mkdir()
    files = PodFiles(str(folder))
    writer = a_writer(files, loop, max_bytes=max_bytes, max_files=20)
    follower = LogFollower(Path(files.log("main", 0)), Path(files.log_index("main", 0)), LogOptions())
    printed = [follower.read_available()]
    for text in rounds:
        writer.write(text)
        printed += iter(follower.read_available, b"")
    writer.close()
    printed += follower.drain()

    assert b"".join(printed) == b"".join(rounds)
    assert all(len(text) <= max_bytes for text in texts(files)) if any(rounds) else True
