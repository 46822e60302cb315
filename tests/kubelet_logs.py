"""A model of the kubelet's log reader: short, with the whole file in memory, and obviously right.

The model has been compared with the kubelet's reader itself, on the files that containerd writes of the same content.
In one thing it differs on purpose: the last lines are counted as the container wrote them, also where a runtime has
cut a long one into pieces, which the kubelet's reader counts one by one.

Source: https://github.com/kubernetes/cri-client/blob/master/pkg/logs/logs.go and
https://github.com/containerd/containerd/blob/main/internal/cri/io/logger.go
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

from hypothesis import strategies as st

from sidecar.job_output.log_reader import BLOCK_BYTES, LogOptions
from sidecar.job_output.log_times import PIECE_BYTES

START = datetime(2025, 3, 30, 0, 59, 58, tzinfo=UTC)
LENGTH = timedelta(seconds=600)


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

    def printed(self, options: LogOptions, *, seen: int, growing: bool) -> bytes:
        """What a kubelet prints for a log of which ``seen`` bytes were there when it was asked.

        While the log grows, a kubelet has only complete lines: an unfinished one is none of the last ones.
        """
        there = self.content[: self.content[:seen].rfind(b"\n") + 1] if growing else self.content[:seen]
        begin = len(there) - sum(map(len, _lines(there)[-(options.tail or 0) :]))
        text = b"".join(record.printed(options) for record in self._records(begin))
        return text[: options.limit_bytes or None]

    def _records(self, begin: int) -> Iterator[Record]:
        for line in _lines(self.content[begin:]):
            for cut in range(0, len(line.removesuffix(b"\n")) or 1, PIECE_BYTES):
                rest = line[cut:]
                text = rest if len(rest.removesuffix(b"\n")) <= PIECE_BYTES else rest[:PIECE_BYTES]
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
def logs(draw: st.DrawFn, moments: st.SearchStrategy[timedelta] = MOMENTS) -> Log:
    content = b"".join(draw(st.lists(TEXTS, max_size=8)))
    ends = [1, *accumulate(map(len, _lines(content)))]
    near = st.builds(lambda end, before: max(1, end - before), st.sampled_from(ends), st.integers(0, 2))
    sizes = sorted(draw(st.sets(st.integers(1, max(1, len(content))) | near, max_size=6)))
    times = sorted(draw(st.lists(moments, min_size=len(sizes), max_size=len(sizes))))
    return Log(content, tuple(map(Entry, times, sizes)), draw(NOISE))


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    modified = (START + LENGTH).timestamp()
    os.utime(path, (modified, modified))
    return path
