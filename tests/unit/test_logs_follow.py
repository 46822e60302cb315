"""Following a log while its container writes, truncates or loses it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sidecar.job_output.log_reader import LogFollower, LogOptions

EVERYTHING = LogOptions()
STAMPED = LogOptions(timestamps=True)
NOON = int(datetime(2025, 3, 30, 12, tzinfo=UTC).timestamp())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "main.0.log"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "main.0.index"


def put(path: Path, content: bytes, *, modified: float = NOON) -> None:
    path.write_bytes(content)
    os.utime(path, (modified, modified))


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_following_waits_for_a_log_that_is_not_there_yet(log: Path, index: Path) -> None:
    follower = LogFollower(log, index, EVERYTHING)

    assert follower.read_available() == b""
    put(log, b"one\n")
    assert follower.read_available() == b"one\n"
    assert follower.read_available() == b""


def test_following_shows_an_unfinished_line_at_once_unless_it_needs_a_stamp(log: Path, index: Path) -> None:
    plain, stamped = (LogFollower(log, index, options) for options in (EVERYTHING, STAMPED))
    put(log, b"Password: ")

    assert plain.read_available() == b"Password: "
    assert stamped.read_available() == b""
    assert list(stamped.drain()) == [b"2025-03-30T12:00:00.000000000Z Password: "]


def test_draining_again_yields_nothing(log: Path, index: Path) -> None:
    put(log, b"one\ntwo")
    follower = LogFollower(log, index, STAMPED)

    assert b"".join(follower.drain()).endswith(b"Z two")
    assert list(follower.drain()) == []


def test_following_begins_with_the_last_lines_and_goes_on_from_there(log: Path, index: Path) -> None:
    put(log, b"one\ntwo\nthree\n")
    follower = LogFollower(log, index, LogOptions(tail=1))

    assert follower.read_available() == b"three\n"
    append(log, b"four\nfive\n")
    assert b"".join(follower.drain()) == b"four\nfive\n"


def test_following_since_now_shows_only_what_comes(log: Path, index: Path) -> None:
    put(log, b"one\ntw", modified=NOON - 60)
    put(index, b"%d 6\n" % (NOON - 60))
    follower = LogFollower(log, index, LogOptions(since=datetime.fromtimestamp(NOON, UTC)))

    assert follower.read_available() == b""
    put(log, b"one\ntwo\nthree\n", modified=NOON + 1)
    assert follower.read_available() == b"two\nthree\n"


def test_following_learns_new_times_from_the_index(log: Path, index: Path) -> None:
    put(log, b"one\n")
    put(index, b"%d 4\n%d " % (NOON - 2, NOON + 3))
    follower = LogFollower(log, index, STAMPED)

    assert follower.read_available() == b"2025-03-30T11:59:58.000000000Z one\n"
    append(index, b"8\n")
    append(log, b"two\n")
    assert follower.read_available() == b"2025-03-30T12:00:03.000000000Z two\n"


def test_following_ends_when_the_limit_is_reached(log: Path, index: Path) -> None:
    put(log, b"one\n")
    follower = LogFollower(log, index, LogOptions(limit_bytes=6))

    assert (follower.read_available(), follower.done) == (b"one\n", False)
    append(log, b"two\n")
    assert (follower.read_available(), follower.done) == (b"tw", True)
    assert list(follower.drain()) == []


def test_following_starts_over_when_the_container_truncates_its_log(log: Path, index: Path) -> None:
    put(log, b"one\ntwo\nthr")
    put(index, b"%d 11\n" % (NOON - 60))
    follower = LogFollower(log, index, LogOptions(tail=1, timestamps=True))
    assert follower.read_available().endswith(b"Z two\n")

    put(log, b"new\n")
    append(index, b"%d 4\n" % (NOON - 1))

    assert follower.read_available() == b"2025-03-30T11:59:59.000000000Z new\n"


def test_a_log_truncated_before_anything_was_recent_enough_is_shown_from_its_new_start(log: Path, index: Path) -> None:
    put(log, b"one\ntwo\n", modified=NOON - 60)
    follower = LogFollower(log, index, LogOptions(tail=1, since=datetime.fromtimestamp(NOON, UTC)))
    assert follower.read_available() == b""

    put(log, b"new\n", modified=NOON + 1)

    assert follower.read_available() == b"new\n"


def test_following_survives_the_removal_of_the_log(log: Path, index: Path) -> None:
    put(log, b"one\n")
    follower = LogFollower(log, index, EVERYTHING)
    assert follower.read_available() == b"one\n"

    log.unlink()

    assert list(follower.drain()) == []
