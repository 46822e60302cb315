"""Reading container logs the way a kubelet does.

The rules are those of ``kubectl logs``: the last lines are counted first, then those older than a moment are left
out, and of what is to be printed only the first bytes are. Logs are as large as users make them, so a reader keeps
one block in memory, whatever the log's size.

Source: https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/cri-client/pkg/logs/logs.go
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sidecar.errors import LogUnavailable
from sidecar.job.logtimes import PIECE_BYTES, LogTimes, Stamper, open_regular
from sidecar.job.users import acting_as_owner_of

BLOCK_BYTES = 1024 * 1024
"""Small beside the program itself, and large enough that handing over a block costs less than reading it."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What of a log is wanted, and how; by default everything as it is."""

    tail: int | None = None
    """Only so many lines from the end, an unfinished one included; ``None`` or 0: all."""
    limit_bytes: int | None = None
    """Only the first bytes of what would be printed, over the whole stream; ``None`` or 0: all."""
    timestamps: bool = False
    """Put the time before each line."""
    since: datetime | None = None
    """Only what was written at or after this moment (with its time zone)."""


def read(log: Path, index: Path, options: LogOptions, *, growing: bool = False) -> Iterator[bytes]:
    """What the log holds now, in blocks; what is written meanwhile is left out.

    :param log: in the folder of logs in the pod's directory
    :param index: the file with the log's times; it may be missing
    :param growing: the container may still write: an unfinished line is shown, and is not one of the ``tail`` lines,
        because a kubelet gets a line when it is complete
    :raises LogUnavailable: at once, there is no such log or it cannot be read
    """
    blocks = _as_owner(log, _read(log, _Cursor(index, options, growing=growing)))
    next(blocks)  # opens the log, so that errors come before the answer has begun
    return blocks


def _as_owner(log: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Each block by itself: who takes them may be another thread each time."""
    while True:
        with _acting_as_owner_of(log):
            block = next(blocks, None)
        if block is None:
            return
        yield block


@contextmanager
def _acting_as_owner_of(log: Path) -> Iterator[None]:
    try:
        with acting_as_owner_of(log.parents[1]):
            yield
    except FileNotFoundError as error:
        message = f"There is no log {log.name}: the container has not started, or its files were removed."
        raise LogUnavailable(message) from error


def _read(log: Path, cursor: _Cursor) -> Iterator[bytes]:
    with open_regular(log) as file:
        snapshot = os.fstat(file.fileno())
        yield b""
        while block := cursor.advance(file.fileno(), snapshot):
            yield block
        if rest := cursor.finish():
            yield rest


class LogFollower:
    """Reads a log while it grows: poll :meth:`read_available` until the container has ended, then :meth:`drain`.

    The log is opened anew for each look and never held open: a network file system then shows what other nodes have
    written (nfs(5), "close-to-open cache consistency"), and a removed pod's directory can go at any time.
    """

    def __init__(self, log: Path, index: Path, options: LogOptions, *, growing: bool = True) -> None:
        """
        :param growing: as for :func:`read`
        """
        self._log = log
        self._cursor = _Cursor(index, options, growing=growing)

    @property
    def done(self) -> bool:
        """Whether ``limit_bytes`` is reached: nothing will follow."""
        return self._cursor.done

    def read_available(self) -> bytes:
        """The next bytes, about one block at most; empty if there is nothing new, or no log yet.

        :raises LogUnavailable: what is there cannot be read
        """
        try:
            with acting_as_owner_of(self._log.parents[1]), open_regular(self._log) as file:
                return self._cursor.advance(file.fileno(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return b""

    def drain(self) -> Iterator[bytes]:
        """Everything that is left, with the unfinished line; for when the container has ended.

        :raises LogUnavailable: what is there cannot be read
        """
        while block := self.read_available():
            yield block
        if rest := self._cursor.finish():
            yield rest


class _Cursor:
    """One reader's way through a log that may grow."""

    def __init__(self, index: Path, options: LogOptions, *, growing: bool) -> None:
        self._index = index
        self._options = options
        self._growing = growing
        self._remaining = options.limit_bytes or None
        self._times = LogTimes(index)
        self._stamper: Stamper | None = None
        self._size = 0
        """How large the log was when last seen."""
        self._earliest: int | None = None
        """Where the wanted last lines begin; they are counted when the log is first seen."""
        self._position: int | None = None
        """What is read next; unknown while nothing is recent enough."""

    @property
    def done(self) -> bool:
        return self._remaining == 0

    def advance(self, descriptor: int, status: os.stat_result) -> bytes:
        """The next bytes to print; empty: nothing for now."""
        if status.st_size != self._size:
            self._look(status)
        if self._position is None:
            self._position = self._start(descriptor)
        if self._position is None or self.done:
            return b""
        wanted = min(BLOCK_BYTES, self._size - self._position)
        data = os.pread(descriptor, wanted, self._position)
        self._position += len(data)
        return self._within_limit(self._stamper.stamp(data) if self._stamper else data)

    def finish(self) -> bytes:
        """The unfinished line, where it was held back."""
        return self._within_limit(self._stamper.stamp(b"", final=True) if self._stamper else b"")

    def _look(self, status: os.stat_result) -> None:
        """Take note that the log has another size than before."""
        if status.st_size < self._size:
            self._restart()
        self._size = status.st_size
        if self._options.timestamps or (self._options.since and self._position is None):
            self._times.refresh(status.st_mtime)

    def _restart(self) -> None:
        """The log was truncated, for example by a container's ``> /dev/stdout``: all of it is new."""
        self._times = LogTimes(self._index)
        self._earliest = 0
        if self._position is not None:
            self._begin(0, inside_line=False)

    def _start(self, descriptor: int) -> int | None:
        """Where printing begins; ``None`` while everything is older than ``since``."""
        if self._earliest is None:
            end = _after_newline(descriptor, self._size, 1) if self._growing else self._size
            self._earliest = _after_newline(descriptor, end - 1, self._options.tail or 0)
        if self._options.since is None:
            return self._begin(self._earliest, inside_line=False)
        first = self._times.first_since(self._options.since.timestamp())
        if first is None or first >= self._size:
            return None
        line = _after_newline(descriptor, first, 1)
        start = max(_piece(descriptor, line, first), self._earliest)
        return self._begin(start, inside_line=start not in {line, self._earliest})

    def _begin(self, position: int, *, inside_line: bool) -> int:
        self._position = position
        if self._options.timestamps:
            self._stamper = Stamper(self._times, position, inside_line=inside_line)
        return position

    def _within_limit(self, data: bytes) -> bytes:
        if self._remaining is None:
            return data
        data = data[: self._remaining]
        self._remaining -= len(data)
        return data


def _piece(descriptor: int, line: int, offset: int) -> int:
    """Where the piece of the line begins that the byte at ``offset`` is in; the newline is in the last one."""
    inside = (offset - line) % PIECE_BYTES
    if inside == 0 and offset > line and os.pread(descriptor, 1, offset) == b"\n":
        return offset - PIECE_BYTES
    return offset - inside


def _after_newline(descriptor: int, end: int, count: int) -> int:
    """Where the line begins that follows the ``count``-th newline before ``end``, counted backwards."""
    while count > 0 and end > 0:
        begin = max(0, end - BLOCK_BYTES)
        block = os.pread(descriptor, end - begin, begin)
        found = block.count(b"\n")
        if found >= count:
            return begin + _nth_last_newline(block, count) + 1
        count -= found
        end = begin
    return 0


def _nth_last_newline(block: bytes, count: int) -> int:
    place = len(block)
    for _ in range(count):
        place = block.rfind(b"\n", 0, place)
    return place
