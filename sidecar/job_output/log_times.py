"""When the lines of a log were written.

A log holds what a container wrote, as plain bytes without times, so the job keeps an index beside it: one line
``<epoch seconds> <size>`` when the log has grown, at most one a second. From it every line gets the time a kubelet
would have given it, accurate to that second.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime
from pathlib import Path

from sidecar.errors import LogUnavailable
from sidecar.system.plain_files import open_regular

PIECE_BYTES = 16 * 1024
"""Container runtimes cut longer lines into pieces of this size, and each piece has its own time.

Source: https://github.com/containerd/containerd/blob/main/docs/cri/config.md, ``max_container_log_line_size``.
"""

_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_LONGEST_ENTRY = 256  # bytes; more is garbage, and is not gathered in memory


class LogTimes:
    """When each byte of one log was written; times are epoch seconds and never go backwards."""

    def __init__(self, index: Path) -> None:
        self.index = index
        self._consumed = 0
        self._sizes = array("Q")
        self._times = array("d")
        self._modified = 0.0

    def refresh(self, modified: float | None = None) -> None:
        """Take in what was added to the index.

        :param modified: the log's modification time, for the bytes that no entry covers yet; ``None``: as before
        """
        if modified is not None:
            self._modified = min(max(modified, 0.0), _LATEST)
        try:
            file = open_regular(self.index)
        except (FileNotFoundError, LogUnavailable):
            return  # a log without its times is better than no log
        with file:
            file.seek(self._consumed)
            while (line := file.readline(_LONGEST_ENTRY)).endswith(b"\n") or len(line) == _LONGEST_ENTRY:
                self._consumed += len(line)
                self._take(line)

    def _take(self, line: bytes) -> None:
        entry = _parse_entry(line)
        if entry is None:
            return
        time, size = entry
        if self._sizes and size < self._sizes[-1]:  # the log was truncated: what the entries tell of is gone
            del self._sizes[:], self._times[:]
        if size > (self._sizes[-1] if self._sizes else 0):
            self._sizes.append(size)
            self._times.append(max(time, self._times[-1]) if self._times else time)

    def span(self, offset: int) -> tuple[float, int | None]:
        """When the byte at ``offset`` was written, and up to which offset (exclusive) that holds; ``None``: open."""
        entry = bisect_right(self._sizes, offset)
        if entry < len(self._sizes):
            return self._times[entry], self._sizes[entry]
        return max(self._modified, self._times[-1] if self._times else 0.0), None

    def first_since(self, since: float) -> int | None:
        """The offset of the first byte written at or after ``since``; ``None``: there is none yet."""
        entry = bisect_left(self._times, since)
        if entry == len(self._times) and self._modified < since:
            return None
        return self._sizes[entry - 1] if entry else 0


class Stamper:
    """Puts its time before each line, as it passes.

    A line's time is that of its last byte, because a runtime stamps a line when it is complete; the time of its first
    piece if it is longer than :data:`PIECE_BYTES` (beside its newline). Up to one piece is held back until the line is
    complete.
    """

    def __init__(self, times: LogTimes, offset: int, *, inside_line: bool) -> None:
        """
        :param offset: where in the log the stamped bytes begin
        :param inside_line: they begin with the rest of a line, which gets no stamp
        """
        self._times = times
        self._offset = offset
        self._inside_line = inside_line
        self._held = b""

    def stamp(self, more: bytes, *, final: bool = False) -> bytes:
        """The lines that ``more``, the log's next bytes, completes; with ``final`` also the unfinished one."""
        data = self._held + more
        end = self._rest_of_line(data)
        parts = [data[:end]]
        while end < len(data) and (final or len(data) - end > PIECE_BYTES or data.find(b"\n", end) >= 0):
            begin, end, prefix = end, *self._batch(data, end)
            parts.append(prefix + data[begin : end - 1].replace(b"\n", b"\n" + prefix) + data[end - 1 : end])
            self._inside_line = not data.endswith(b"\n", begin, end)
        self._held = data[end:]
        self._offset += end
        return b"".join(parts)

    def _rest_of_line(self, data: bytes) -> int:
        """How many of the first bytes belong to a line that has begun before them."""
        if not self._inside_line:
            return 0
        newline = data.find(b"\n")
        self._inside_line = newline < 0
        return len(data) if self._inside_line else newline + 1

    def _batch(self, data: bytes, begin: int) -> tuple[int, bytes]:
        """Where the lines end that share the time of the one at ``begin``, and their prefix."""
        newline = data.find(b"\n", begin)
        line_end = len(data) if newline < 0 else newline + 1
        fits = (len(data) if newline < 0 else newline) - begin <= PIECE_BYTES
        time, until = self._times.span(self._offset + (line_end if fits else begin + PIECE_BYTES) - 1)
        last_newline = data.rfind(b"\n", begin, None if until is None else until - self._offset)
        return max(line_end, last_newline + 1), _prefix(time)


def _parse_entry(line: bytes) -> tuple[float, int] | None:
    """Time and size; ``None`` for what is no entry, such as a line torn by a full disk."""
    try:
        time, size = line.split()
        entry = float(time), int(size)
    except ValueError:
        return None
    return entry if 0 <= entry[0] <= _LATEST and 0 <= entry[1] < 2**63 else None


def _prefix(time: float) -> bytes:
    """RFC 3339 with nine digits and a space; the last three digits are beyond what the index knows.

    Source: https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/cri-client/pkg/logs/logs.go
    """
    moment = datetime.fromtimestamp(time, UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='microseconds')}000Z ".encode()
