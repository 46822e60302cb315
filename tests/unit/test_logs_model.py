"""The log reader against a model of the kubelet's: short, with the whole file in memory, and obviously right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.job.logs import BLOCK_BYTES, LogFollower, LogOptions, read
from sidecar.job.logtimes import PIECE_BYTES

START = datetime(2025, 3, 30, 0, 59, 58, tzinfo=UTC)
LENGTH = timedelta(seconds=5)


@dataclass(frozen=True)
class Entry:
    """The index says: at ``START + after`` the log had ``size`` bytes."""

    after: timedelta
    size: int

    def line(self) -> bytes:
        seconds = int(START.timestamp()) + self.after.seconds
        return f"{seconds}.{self.after.microseconds:06} {self.size}\n".encode()


@dataclass(frozen=True)
class Record:
    """One line of a container runtime's own log: a line of the container's, or a piece of a long one."""

    text: bytes
    time: datetime
    begins_line: bool

    def printed(self, options: LogOptions) -> bytes:
        if options.since is not None and self.time < options.since:
            return b""
        stamp = self.time.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode()
        return stamp + self.text if options.timestamps and self.begins_line else self.text


@dataclass(frozen=True)
class Log:
    """A log's content and what its index tells, with noise between the entries."""

    content: bytes
    entries: tuple[Entry, ...]
    noise: bytes

    def index(self) -> bytes:
        return self.noise + b"".join(entry.line() + self.noise for entry in self.entries)

    def printed(self, options: LogOptions, *, seen: int) -> bytes:
        """What a kubelet prints for a log of which ``seen`` bytes were there when it was asked."""
        begin = seen - sum(map(len, _lines(self.content[:seen])[-(options.tail or 0) :]))
        text = b"".join(record.printed(options) for record in self._records(begin))
        return text[: options.limit_bytes or None]

    def _records(self, begin: int) -> Iterator[Record]:
        for line in _lines(self.content[begin:]):
            for cut in range(0, len(line), PIECE_BYTES):
                text = line[cut : cut + PIECE_BYTES]
                yield Record(text, self._time(begin + cut + len(text) - 1), begins_line=cut == 0)
            begin += len(line)

    def _time(self, offset: int) -> datetime:
        """By the first entry that counts the byte; after all of them, when the file was modified."""
        return START + next((entry.after for entry in self.entries if entry.size > offset), LENGTH)


def _lines(content: bytes) -> list[bytes]:
    """The lines with their ends; only ``\\n`` ends one."""
    *ended, unfinished = content.split(b"\n")
    return [line + b"\n" for line in ended] + ([unfinished] if unfinished else [])


LENGTHS = [1, 100, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, BLOCK_BYTES - 1, BLOCK_BYTES]
TEXTS = st.one_of(
    st.sampled_from([b"\n", b"\r", b"\0", b"a line\n", b"\n\n\n", "Grüße, 世界 😀\n".encode()]),
    st.binary(max_size=20),
    st.sampled_from(LENGTHS).map(lambda length: b"x" * length),
    st.integers(1, 4000).map(
        lambda lines: b"".join(b"line %d of many, more or less short\n" % n for n in range(lines))
    ),
)
MOMENTS = st.timedeltas(timedelta(0), LENGTH)
NOISE = st.sampled_from(
    [b"", b"\n", b"garbage\n", b"17433 \n", b"nan 5\n", b"1e999 5\n", b"1 -5\n", b"1 2 3\n", b"x" * 600 + b"\n"]
)


@st.composite
def logs(draw: st.DrawFn) -> Log:
    content = b"".join(draw(st.lists(TEXTS, max_size=8)))
    sizes = sorted(draw(st.sets(st.integers(1, max(1, len(content))), max_size=6)))
    moments = sorted(draw(st.lists(MOMENTS, min_size=len(sizes), max_size=len(sizes))))
    return Log(content, tuple(map(Entry, moments, sizes)), draw(NOISE))


OPTIONS = st.builds(
    LogOptions,
    tail=st.sampled_from([None, 0, 1, 2, 3, 10, 1000, 10**9]),
    limit_bytes=st.one_of(st.sampled_from([None, 0, 10**9]), st.integers(1, 2 * BLOCK_BYTES), st.integers(1, 100)),
    timestamps=st.booleans(),
    since=st.one_of(
        st.none(), MOMENTS.map(START.__add__), st.just(START + 2 * LENGTH), st.just(datetime.min.replace(tzinfo=UTC))
    ),
)
STEPS = st.lists(st.integers(0, 3 * BLOCK_BYTES) | st.integers(0, 200), max_size=5).map(sorted)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    modified = (START + LENGTH).timestamp()
    os.utime(path, (modified, modified))
    return path


@settings(max_examples=400, deadline=None)
@given(log=logs(), options=OPTIONS)
def test_reading_prints_what_a_kubelet_prints(directory: Path, log: Log, options: LogOptions) -> None:
    file = write(directory / "main.0.log", log.content)
    index = write(directory / "main.0.index", log.index())

    assert b"".join(read(file, index, options)) == log.printed(options, seen=len(log.content))


@settings(max_examples=400, deadline=None)
@given(log=logs(), options=OPTIONS, steps=STEPS)
@example(log=Log(b"one\ntwo\nthree", (), b""), options=LogOptions(tail=1, timestamps=True), steps=[5, 9])
def test_following_prints_what_a_kubelet_prints(
    directory: Path, log: Log, options: LogOptions, steps: list[int]
) -> None:
    sizes = [*(size for size in steps if size < len(log.content)), len(log.content)]
    file, index = directory / "main.1.log", write(directory / "main.1.index", log.index())
    file.unlink(missing_ok=True)
    follower = LogFollower(file, index, options)

    printed = [follower.read_available()]
    for size in sizes:
        write(file, log.content[:size])
        printed += iter(follower.read_available, b"")
    printed += follower.drain()

    assert b"".join(printed) == log.printed(options, seen=sizes[0])
    assert max(map(len, printed)) <= 32 * BLOCK_BYTES
