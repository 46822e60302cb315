"""Reading container logs the way a kubelet does.

The rules are those of ``kubectl logs``: the last lines are counted first, then those older than a moment are left
out, and of what is to be printed only the first bytes are. Logs are as large as users make them, so a reader keeps
one block in memory, whatever the log's size.

The job renames a log that has grown too large and begins a new one. As with a kubelet, only the newest file is read;
who follows it reads it to its end first and then goes on with the next.

Source: https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/cri-client/pkg/logs/logs.go and
https://kubernetes.io/docs/concepts/cluster-administration/logging/#log-rotation
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sidecar.errors import LogUnavailable
from sidecar.job_output.log_times import PIECE_BYTES, LogTimes, Stamper
from sidecar.runner.contract.layout import rotated
from sidecar.system.plain_files import open_regular
from sidecar.system.users import acting_as_owner_of

BLOCK_BYTES = 1024 * 1024
"""Small beside the program itself, and large enough that handing over a block costs less than reading it."""

MAX_ROTATED_FILES = 1000
"""More than a site can configure: how far a reader looks for the file that it has begun to read."""


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


def read(
    log: Path, index: Path, options: LogOptions, *, growing: bool = False, root: Path | None = None
) -> Iterator[bytes]:
    """What the log holds now, in blocks; what is written meanwhile is left out.

    :param log: in the folder of logs in the pod's directory
    :param index: the file with the log's times; it may be missing
    :param growing: the container may still write: an unfinished line is shown, and is not one of the ``tail`` lines,
        because a kubelet gets a line when it is complete
    :param root: the pod's directory; ``None``: the one above the folder of logs
    :raises LogUnavailable: at once, there is no such log or it cannot be read
    """
    blocks = _as_owner(log, root or log.parents[1], _read(log, _Cursor(index, options, growing=growing)))
    next(blocks)  # opens the log, so that errors come before the answer has begun
    return blocks


def _as_owner(log: Path, root: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Each block by itself: who takes them may be another thread each time."""
    while True:
        with _acting_as_owner_of(log, root):
            block = next(blocks, None)
        if block is None:
            return
        yield block


@contextmanager
def _acting_as_owner_of(log: Path, root: Path) -> Iterator[None]:
    try:
        with acting_as_owner_of(root):
            yield
    except FileNotFoundError as error:
        message = f"There is no log {log.name}: the container has not started, or its files were removed."
        raise LogUnavailable(message) from error


def _read(log: Path, cursor: _Cursor) -> Iterator[bytes]:
    with _newest(log, cursor) as file:
        snapshot = os.fstat(file.fileno())
        yield b""
        while block := cursor.advance(file.fileno(), snapshot):
            yield block
        if rest := cursor.finish():
            yield rest


def _newest(log: Path, cursor: _Cursor) -> BinaryIO:
    """The log, or the file that it was a moment ago, if the next one has not been begun yet."""
    try:
        return open_regular(log)
    except FileNotFoundError:
        with suppress(FileNotFoundError):
            file = open_regular(_numbered(log, 1))
            cursor.find_times(1)
            return file
        raise


def _numbered(path: Path, number: int) -> Path:
    """The file's name after so many rotations; 0 is the one being written."""
    return Path(rotated(str(path), number)) if number else path


_Identity = tuple[int, int]


def _identity(file: BinaryIO) -> _Identity:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino


class LogFollower:
    """Reads a log while it grows: poll :meth:`read_available` until the container has ended, then :meth:`drain`.

    The log is opened anew for each look and never held open: a network file system then shows what other nodes have
    written (nfs(5), "close-to-open cache consistency"), and a removed pod's directory can go at any time. So a rotation
    shows by the file's inode: the file that was being read has a number now, is read to its end, and the next newer one
    follows, from its start.
    """

    def __init__(self, log: Path, index: Path, options: LogOptions, *, growing: bool = True) -> None:
        """
        :param growing: as for :func:`read`
        """
        self._log = log
        self._cursor = _Cursor(index, options, growing=growing)
        self._current: _Identity | None = None
        self._is_early = False
        """Whether a look has found no log yet: then all of its files are new."""

    @property
    def done(self) -> bool:
        """Whether ``limit_bytes`` is reached: nothing will follow."""
        return self._cursor.done

    def read_available(self) -> bytes:
        """The next bytes, about one block at most; empty if there is nothing new, or no log yet.

        :raises LogUnavailable: what is there cannot be read
        """
        with suppress(FileNotFoundError), acting_as_owner_of(self._log.parents[1]):
            number = self._first() if self._current is None else self._number_of_current()
            while number is not None:
                block, is_final = self._read(number)
                if block or not is_final:
                    return block
                number = self._next(number)
        return b""

    def drain(self) -> Iterator[bytes]:
        """Everything that is left, with the unfinished line; for when the container has ended.

        :raises LogUnavailable: what is there cannot be read
        """
        while block := self.read_available():
            yield block
        if rest := self._cursor.finish():
            yield rest

    def _read(self, number: int) -> tuple[bytes, bool]:
        """The file's next bytes, and whether it has no more and never will."""
        with open_regular(_numbered(self._log, number)) as file:
            if self._current is None:
                self._current = _identity(file)
            elif self._current != _identity(file):
                return b"", False  # renamed this moment
            self._cursor.find_times(number)
            block = self._cursor.advance(file.fileno(), os.fstat(file.fileno()))
        return block, number > 0 and not block and not self.done

    def _first(self) -> int | None:
        """The newest file, which is the one with number 1 while the next has not been begun."""
        if self._is_early:
            return self._number_of_current()
        number = next((number for number in (0, 1) if self._identity_of(number)), None)
        self._is_early = number is None
        return number

    def _number_of_current(self) -> int | None:
        """Where the file is that was read last, or the oldest one where that is gone; ``None``: there is none now.

        Files only move to higher numbers, so a look from low to high does not miss it.
        """
        oldest, missing, number = None, 0, 0
        while missing < 2 and number <= MAX_ROTATED_FILES:  # while files are being renamed, one name is free
            identity = self._identity_of(number)
            if identity is not None:
                if identity == self._current:
                    return number
                oldest = number, identity
            missing = 0 if identity else missing + 1
            number += 1
        if oldest is None:
            return None
        if self._current is None:
            return oldest[0]
        return self._go_on_with(*oldest, inside_line=False)

    def _next(self, number: int) -> int | None:
        """Go on with the next newer file; ``None``: it has not been begun, or files are being renamed."""
        identity = self._identity_of(number - 1)
        if identity is None or self._identity_of(number) != self._current:
            return None
        return self._go_on_with(number - 1, identity, inside_line=self._cursor.inside_line)

    def _go_on_with(self, number: int, identity: _Identity, *, inside_line: bool) -> int:
        self._current = identity
        self._cursor = self._cursor.successor(inside_line=inside_line)
        return number

    def _identity_of(self, number: int) -> _Identity | None:
        """:raises LogUnavailable: the newest file is not a log; what else is in a file's place is passed over"""
        try:
            with open_regular(_numbered(self._log, number)) as file:
                return _identity(file)
        except FileNotFoundError:
            return None
        except LogUnavailable:
            if number == 0:
                raise
            return None


class _Cursor:
    """One reader's way through one file of a log, which may grow."""

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
        self._carried = b""
        """The end of the file before, which waited for the rest of its line."""
        self.inside_line = False
        """Whether what was read last is not the end of a line."""

    def successor(self, *, inside_line: bool) -> _Cursor:
        """For the file that was begun when this one had been rotated.

        :param inside_line: it begins with the rest of a line
        """
        after = _Cursor(self._index, self._options, growing=self._growing)
        after._carried = self.finish()
        after._remaining = self._remaining
        after._earliest = 0
        after.inside_line = inside_line
        if self._position is not None:
            after._begin(0, inside_line=inside_line)
        return after

    def find_times(self, number: int) -> None:
        """The file has been rotated so often, and its times with it."""
        index = _numbered(self._index, number)
        if index != self._times.index:
            self._times.index = index
            self._times.refresh()  # its last entry may be newer than the log's last bytes

    @property
    def done(self) -> bool:
        return self._remaining == 0

    def advance(self, descriptor: int, status: os.stat_result) -> bytes:
        """The next bytes to print; empty: nothing for now."""
        if carried := self._carried:
            self._carried = b""
            return carried
        if status.st_size != self._size:
            self._look(status)
        if self._position is None:
            self._position = self._start(descriptor)
        if self._position is None or self.done:
            return b""
        wanted = min(BLOCK_BYTES, self._size - self._position)
        data = os.pread(descriptor, wanted, self._position)
        self._position += len(data)
        self.inside_line = not data.endswith(b"\n") if data else self.inside_line
        return self._within_limit(self._stamper.stamp(data) if self._stamper else data)

    def finish(self) -> bytes:
        """The unfinished line, where it was held back."""
        carried, self._carried = self._carried, b""
        return carried + self._within_limit(self._stamper.stamp(b"", final=True) if self._stamper else b"")

    def _look(self, status: os.stat_result) -> None:
        """Take note that the log has another size than before."""
        if status.st_size < self._size:
            self._restart()
        self._size = status.st_size
        if self._options.timestamps or (self._options.since and self._position is None):
            self._times.refresh(status.st_mtime)

    def _restart(self) -> None:
        """The log was truncated, for example by a container's ``> /dev/stdout``: all of it is new."""
        self._times = LogTimes(self._times.index)
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
