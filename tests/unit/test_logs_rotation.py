"""Reading a log that the job rotates: the bytes in order, each once."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.errors import LogUnavailable
from sidecar.job_output.log_reader import BLOCK_BYTES, LogFollower, LogOptions, read
from sidecar.job_output.log_times import PIECE_BYTES

EVERYTHING = LogOptions()
NOON = int(datetime(2025, 3, 30, 12, tzinfo=UTC).timestamp())
MAX_FILES = 4


class RotatedLog:
    """What the job does with a container's log."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "main.0.log"
        self.index = folder / "main.0.index"
        for path in folder.glob("main.0.*"):
            path.unlink()

    def append(self, content: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(content)

    def rename(self) -> None:
        for path in (self.log, self.index):
            for number in range(MAX_FILES - 2, -1, -1):
                name = Path(f"{path}.{number}") if number else path
                if name.exists():
                    name.rename(f"{path}.{number + 1}")

    def rotate(self) -> None:
        self.rename()
        self.log.touch()

    def follower(self, options: LogOptions = EVERYTHING) -> LogFollower:
        return LogFollower(self.log, self.index, options)


@pytest.fixture
def log(tmp_path: Path) -> RotatedLog:
    return RotatedLog(tmp_path)


def everything_now(follower: LogFollower) -> bytes:
    return b"".join(iter(follower.read_available, b""))


def test_without_following_only_the_newest_file_is_read(log: RotatedLog) -> None:
    log.append(b"old\n")
    log.rotate()
    log.append(b"new\n")

    assert b"".join(read(log.log, log.index, LogOptions(tail=5))) == b"new\n"


def test_a_log_is_readable_while_it_is_being_rotated(log: RotatedLog) -> None:
    log.append(b"old\n")
    log.rename()

    assert b"".join(read(log.log, log.index, EVERYTHING)) == b"old\n"


def test_a_follower_reads_the_old_file_to_its_end_and_then_the_new_one(log: RotatedLog) -> None:
    log.append(b"one\n")
    follower = log.follower()
    assert everything_now(follower) == b"one\n"

    log.append(b"two\n")
    log.rotate()
    log.append(b"three\n")

    assert everything_now(follower) == b"two\nthree\n"


def test_a_follower_passes_several_files(log: RotatedLog) -> None:
    log.append(b"one\n")
    follower = log.follower()
    everything_now(follower)
    for text in (b"two\n", b"three\n", b"four\n"):
        log.rotate()
        log.append(text)

    assert everything_now(follower) == b"two\nthree\nfour\n"


def test_a_follower_whose_file_is_gone_goes_on_with_the_oldest(log: RotatedLog) -> None:
    log.append(b"one\n")
    follower = log.follower()
    everything_now(follower)
    log.log.rename(log.log.with_name("elsewhere"))
    for text in (b"two\n", b"three\n"):
        log.append(text)
        log.rotate()

    assert everything_now(follower) == b"two\nthree\n"


def test_a_follower_waits_while_files_are_being_renamed(log: RotatedLog) -> None:
    log.append(b"one\n")
    follower = log.follower()
    everything_now(follower)
    log.append(b"two\n")
    log.rename()

    assert everything_now(follower) == b"two\n"
    assert follower.read_available() == b""
    log.append(b"three\n")
    assert everything_now(follower) == b"three\n"


def test_a_follower_finds_its_file_across_a_name_that_is_free_for_a_moment(log: RotatedLog) -> None:
    log.append(b"one\n")
    follower = log.follower()
    everything_now(follower)
    log.append(b"two\n")
    log.log.rename(f"{log.log}.2")
    log.append(b"four\n")

    assert everything_now(follower) == b"two\n"
    Path(f"{log.log}.1").write_bytes(b"three\n")
    assert everything_now(follower) == b"three\nfour\n"


def test_the_last_lines_are_counted_in_the_newest_file_only(log: RotatedLog) -> None:
    log.append(b"one\n")
    log.rotate()
    log.append(b"two\nthree\n")
    follower = log.follower(LogOptions(tail=1))

    assert everything_now(follower) == b"three\n"
    log.rotate()
    log.append(b"four\nfive\n")
    assert everything_now(follower) == b"four\nfive\n"


def test_a_limit_counts_over_all_files(log: RotatedLog) -> None:
    log.append(b"one\n")
    follower = log.follower(LogOptions(limit_bytes=6))
    everything_now(follower)
    log.rotate()
    log.append(b"two\n")

    assert (everything_now(follower), follower.done) == (b"tw", True)


def test_each_file_has_its_own_times_and_a_split_line_one_stamp(log: RotatedLog) -> None:
    log.append(b"one\ntw")
    log.index.write_bytes(b"%d 4\n" % NOON)
    follower = log.follower(LogOptions(timestamps=True))
    assert everything_now(follower) == b"2025-03-30T12:00:00.000000000Z one\n"

    log.index.write_bytes(b"%d 4\n%d 6\n" % (NOON, NOON + 5))
    log.rotate()
    log.append(b"o\nthree\n")
    log.index.write_bytes(b"%d 8\n" % (NOON + 7))

    assert b"".join(follower.drain()) == (b"2025-03-30T12:00:05.000000000Z two\n2025-03-30T12:00:07.000000000Z three\n")


def test_following_since_a_moment_looks_into_the_new_file_too(log: RotatedLog) -> None:
    log.append(b"old\n")
    os.utime(log.log, (NOON, NOON))
    follower = log.follower(LogOptions(since=datetime.fromtimestamp(NOON + 10, UTC)))
    assert everything_now(follower) == b""

    log.rotate()
    log.append(b"new\n")

    assert everything_now(follower) == b"new\n"


@pytest.mark.parametrize("forgery", ["link", "pipe", "folder"])
def test_what_is_no_file_among_the_rotated_ones_is_passed_over(log: RotatedLog, tmp_path: Path, forgery: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret\n")
    log.append(b"one\n")
    follower = log.follower()
    everything_now(follower)
    log.append(b"two\n")
    log.rotate()
    log.rotate()
    place = Path(f"{log.log}.1")
    place.unlink()
    match forgery:
        case "link":
            place.symlink_to(secret)
        case "pipe":
            os.mkfifo(place)
        case _:
            place.mkdir()
    log.append(b"three\n")

    assert b"secret" not in everything_now(follower)


def test_a_link_in_the_place_of_the_newest_file_is_refused(log: RotatedLog) -> None:
    log.append(b"one\n")
    follower = log.follower()
    everything_now(follower)
    log.rename()
    log.log.symlink_to("/etc/passwd")

    with pytest.raises(LogUnavailable):
        follower.read_available()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


TEXTS = st.sampled_from([b"\n", b"a line\n", b"half", b"two\nlines\n", b"x" * (PIECE_BYTES + 1) + b"\n"])
BETWEEN_TWO_LOOKS = st.lists(TEXTS | st.none(), max_size=6)
"""Texts that are written, and rotations (``None``)."""


@settings(max_examples=100, deadline=None)
@given(rounds=st.lists(BETWEEN_TWO_LOOKS, max_size=6), timestamps=st.booleans(), limit=st.none() | st.integers(1, 60))
@example(rounds=[[b"half"], [None, b"a line\n"]], timestamps=True, limit=None)
@example(rounds=[[b"half", None, None, b"\n"]], timestamps=True, limit=None)
@example(rounds=[[b"x" * (BLOCK_BYTES + 1), None, b"\n"]], timestamps=False, limit=None)
def test_a_follower_prints_every_byte_once_and_in_order(
    folder: Path, rounds: list[list[bytes | None]], timestamps: bool, limit: int | None
) -> None:
    log = RotatedLog(folder)
    log.append(b"")
    follower = log.follower(LogOptions(timestamps=timestamps, limit_bytes=None if timestamps else limit))
    printed, written = [follower.read_available()], []
    for steps in rounds:
        rotations = 0
        for step in steps:
            if step is not None:
                log.append(step)
                written.append(step)
            elif rotations < MAX_FILES - 1:  # more at a time, and a file is gone before anybody has seen it
                log.rotate()
                rotations += 1
        printed += iter(follower.read_available, b"")
    printed += follower.drain()

    lines = b"".join(printed).split(b"\n")
    text = b"\n".join(line[31:] for line in lines) if timestamps else b"\n".join(lines)
    assert text == (b"".join(written) if timestamps else b"".join(written)[:limit])
