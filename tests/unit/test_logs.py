"""Reading a log as it is: what people ask for and what hostile containers plant."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sidecar.errors import LogUnavailable
from sidecar.job_output.log_reader import BLOCK_BYTES, LogFollower, LogOptions, read
from sidecar.job_output.log_times import PIECE_BYTES

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


def text(log: Path, index: Path, options: LogOptions) -> bytes:
    return b"".join(read(log, index, options))


def test_the_limit_keeps_the_first_bytes_of_the_wanted_lines(log: Path, index: Path) -> None:
    put(log, b"one\ntwo\nthree\n")

    assert text(log, index, LogOptions(tail=2, limit_bytes=6)) == b"two\nth"


def test_the_limit_counts_the_timestamps(log: Path, index: Path) -> None:
    put(log, b"one\ntwo\n")

    assert text(log, index, LogOptions(timestamps=True, limit_bytes=33)) == b"2025-03-30T12:00:00.000000000Z on"


def test_an_unfinished_last_line_counts_as_a_line(log: Path, index: Path) -> None:
    put(log, b"one\ntwo\nthr")

    assert text(log, index, LogOptions(tail=1)) == b"thr"


def test_last_lines_are_counted_before_old_ones_are_left_out(log: Path, index: Path) -> None:
    put(log, b"one\ntwo\nthree\n")
    put(index, b"%d 4\n%d 8\n%d 14\n" % (NOON - 20, NOON - 10, NOON))
    since = datetime.fromtimestamp(NOON - 15, UTC)

    assert text(log, index, LogOptions(tail=3, since=since)) == b"two\nthree\n"
    assert text(log, index, LogOptions(tail=1, since=since)) == b"three\n"


@pytest.mark.parametrize("options", [EVERYTHING, STAMPED])
def test_of_a_very_long_line_only_the_recent_pieces_are_shown(log: Path, index: Path, options: LogOptions) -> None:
    put(log, b"before\n" + b"\r".join(b"%09d" % n for n in range(10_000)) + b"\nafter\n")
    put(index, b"%d 50000\n" % (NOON - 60))

    shown = text(log, index, replace(options, since=datetime.fromtimestamp(NOON, UTC)))

    rest, after = shown.split(b"\n", 1)
    assert rest.endswith(b"\r000009998\r000009999")
    assert len(rest) == 99_999 - 3 * PIECE_BYTES
    assert after == (b"2025-03-30T12:00:00.000000000Z " if options.timestamps else b"") + b"after\n"


def test_each_line_has_the_time_at_which_it_was_complete(log: Path, index: Path) -> None:
    put(log, b"one\ntwo\nthree\n")
    put(index, f"{NOON - 9}.25 6\n{NOON - 5}.000001 9\n".encode())

    assert text(log, index, STAMPED) == (
        b"2025-03-30T11:59:51.250000000Z one\n"
        b"2025-03-30T11:59:55.000001000Z two\n"
        b"2025-03-30T12:00:00.000000000Z three\n"
    )


def test_times_never_go_backwards_when_the_clock_does(log: Path, index: Path) -> None:
    put(log, b"one\ntwo\nthree\n", modified=NOON - 7)
    put(index, b"%d 4\n%d 8\n" % (NOON, NOON - 60))

    assert text(log, index, STAMPED).count(b"2025-03-30T12:00:00.000000000Z ") == 3


@pytest.mark.parametrize("modified", [-(10.0**9), 2.0**40])
def test_a_modification_time_that_no_calendar_knows_still_yields_a_stamp(
    log: Path, index: Path, modified: float
) -> None:
    put(log, b"one\n", modified=modified)

    assert text(log, index, STAMPED).endswith(b".000000000Z one\n")


def test_an_index_that_is_a_link_is_as_good_as_none(log: Path, index: Path, tmp_path: Path) -> None:
    put(log, b"one\n")
    put(tmp_path / "elsewhere", b"%d 4\n" % (NOON - 60))
    index.symlink_to(tmp_path / "elsewhere")

    assert text(log, index, STAMPED) == b"2025-03-30T12:00:00.000000000Z one\n"


def test_a_line_of_ten_megabytes_comes_whole_and_in_blocks(log: Path, index: Path) -> None:
    line = b"0123456789" * 1024**2
    put(log, b"before\n" + line + b"\nafter\n")

    blocks = list(read(log, index, LogOptions(tail=2, timestamps=True)))

    stamp = b"2025-03-30T12:00:00.000000000Z "
    assert b"".join(blocks) == stamp + line + b"\n" + stamp + b"after\n"
    assert max(map(len, blocks)) < 2 * BLOCK_BYTES


def test_reading_ends_where_the_log_ended_when_it_was_asked_for(log: Path, index: Path) -> None:
    put(log, b"one\n")
    blocks = read(log, index, EVERYTHING)
    append(log, b"two\n")

    assert b"".join(blocks) == b"one\n"


def test_reading_stops_early_when_the_log_is_truncated_meanwhile(log: Path, index: Path) -> None:
    put(log, b"x" * 3 * BLOCK_BYTES)
    blocks = read(log, index, EVERYTHING)
    first = next(blocks)
    put(log, b"")

    assert first + b"".join(blocks) == b"x" * BLOCK_BYTES


def test_a_missing_log_is_reported_before_anything_is_read(log: Path, index: Path) -> None:
    with pytest.raises(LogUnavailable, match=r"no log main\.0\.log: the container has not started"):
        read(log, index, EVERYTHING)


def plant_link(path: Path) -> None:
    path.with_name("secret").write_bytes(b"secret\n")
    path.symlink_to("secret")


@pytest.mark.parametrize(
    ("plant", "cause"),
    [(plant_link, "symbolic link"), (os.mkfifo, "not a regular file"), (Path.mkdir, "not a regular file")],
    ids=["link", "pipe", "directory"],
)
def test_what_a_container_plants_in_place_of_its_log_is_not_opened(
    log: Path, index: Path, plant: Callable[[Path], None], cause: str
) -> None:
    plant(log)

    with pytest.raises(LogUnavailable, match=cause):
        read(log, index, EVERYTHING)
    with pytest.raises(LogUnavailable, match=cause):
        LogFollower(log, index, EVERYTHING).read_available()


def test_a_log_below_something_that_is_no_directory_is_unavailable(log: Path, index: Path) -> None:
    put(log, b"")

    with pytest.raises(LogUnavailable, match="Not a directory"):
        read(log / "main.0.log", index, EVERYTHING)


def test_a_reader_that_is_dropped_early_closes_its_file(log: Path, index: Path) -> None:
    put(log, b"one\n")
    before = len(list(Path("/proc/self/fd").iterdir()))

    blocks = read(log, index, EVERYTHING)
    del blocks

    assert len(list(Path("/proc/self/fd").iterdir())) == before
