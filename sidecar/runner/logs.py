"""Writing a container's log, with the times of its bytes beside it, as large as the site allows."""

import errno
import os
import time

from sidecar.runner.contract.layout import PodFiles, rotated
from sidecar.runner.system.event_loop import Loop, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

KEPT_BYTES = 16 * 1024
"""Of the end of a log, for messages."""
_INDEX_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
"""The container may put a link or a pipe in a log's place."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


class LogWriter:
    """The log of one run of one container.

    What cannot be written is dropped, so that neither the container nor the supervisor ends for it; as soon as
    something can be written again, a line says how many bytes are missing.
    """

    def __init__(
        self, files: PodFiles, container: str, attempt: int, max_bytes: int, max_files: int, loop: Loop
    ) -> None:
        """
        :param max_bytes: at which size the file is rotated; 0: never
        :param max_files: how many files there may be, the one being written included; at least 2
        """
        self._log = files.log(container, attempt)
        self._index = _Index(files.log_index(container, attempt), loop)
        self._max_bytes = max_bytes
        self._max_files = max(2, max_files)
        self._loop = loop
        self._descriptor = -1
        self._size = 0
        self._at_line_start = True
        self._end = b""
        self._lost = 0
        self._reason = ""
        self._retry_at = 0.0

    def begin(self) -> None:
        """Have a log, also of a container that says nothing."""
        try:
            self._open()
        except OSError as error:
            self._lose(0, error)

    def write(self, data: bytes) -> None:
        """Append what the container wrote."""
        self._end = (self._end + data)[-KEPT_BYTES:]
        if self._lost and self._loop.now() < self._retry_at:
            self._lost += len(data)
            return
        try:
            self._tell_loss()
        except OSError as error:
            self._lose(len(data), error)
            return
        self._write_in_pieces(data)

    def tail(self, max_bytes: int, max_lines: int) -> bytes:
        """The last lines, of the last so many bytes.

        :param max_bytes: at most :data:`KEPT_BYTES`
        """
        text = self._end[-max_bytes:]
        lines = text.split(b"\n")
        # What follows the last line's end is no line.
        return b"\n".join(lines[-max_lines - text.endswith(b"\n") :])

    def close(self) -> None:
        """The container has ended; nothing is written any more."""
        try:
            self._tell_loss()
        except OSError:
            pass  # it cannot be told
        self._close()
        self._index.close()

    def _write_in_pieces(self, data: bytes) -> None:
        while data:
            try:
                cut = self._cut(data)
                written = self._append(data[:cut] if cut < len(data) else data)
                data = data[written:]
                if written == cut and data:
                    self._rotate()
            except OSError as error:
                self._lose(len(data), error)
                return

    def _cut(self, data: bytes) -> int:
        """How much of the data goes into the present file: up to a line's end where that is possible."""
        self._open()
        room = self._max_bytes - self._size
        if not self._max_bytes or len(data) <= room:
            return len(data)
        if self._at_line_start and len(data) <= self._max_bytes:
            return 0
        after_line = data.rfind(b"\n", 0, max(0, room)) + 1
        return after_line or (0 if self._size else room)

    def _append(self, data: bytes) -> int:
        """Write some of the data, and return how much.

        :raises OSError: nothing could be written
        """
        if not data:
            return 0
        self._open()
        written = os.write(self._descriptor, data)
        self._size += written
        self._at_line_start = data[written - 1 : written] == b"\n"
        self._index.grown(self._descriptor)
        return written

    def _open(self) -> None:
        if self._descriptor < 0:
            self._descriptor = os.open(self._log, _APPEND, 0o600)
            self._size = os.fstat(self._descriptor).st_size
            self._at_line_start = self._size == 0

    def _close(self) -> None:
        if self._descriptor >= 0:
            self._index.finish(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _rotate(self) -> None:
        self._close()
        for number in range(self._max_files - 1, 0, -1):
            for path in (self._log, self._index.path):
                _rename(rotated(path, number - 1) if number > 1 else path, rotated(path, number))
        self._open()

    # ---------------------------------------------------------------- loss

    def _lose(self, count: int, error: OSError) -> None:
        self._lost += count
        self._reason = "the file system was full" if error.errno in _FULL else os.strerror(error.errno or errno.EIO)
        self._retry_at = self._loop.now() + _RETRY_SECONDS

    def _tell_loss(self) -> None:
        """:raises OSError: still nothing can be written"""
        if not self._lost:
            return
        self._open()
        text = f"slurm-sidecar: {self._lost} bytes of this log were lost: {self._reason}\n".encode()
        text = text if self._at_line_start else b"\n" + text
        while text:
            text = text[self._append(text) :]
        self._lost = 0


class _Index:
    """When the log had which size: one line ``<epoch seconds> <size>``, at most once a second."""

    def __init__(self, path: str, loop: Loop) -> None:
        self.path = path
        self._loop = loop
        self._written_at = float("-inf")
        self._later: "Optional[Task]" = None
        self._is_torn = False

    def grown(self, descriptor: int) -> None:
        """The log has grown: an entry follows, now or when the last one is a second old."""
        if self._later is not None:
            return
        wait = self._written_at + _INDEX_SECONDS - self._loop.now()
        if wait <= 0:
            self._enter(descriptor)
        else:
            self._later = self._loop.start(self._enter_after(wait, descriptor))

    def finish(self, descriptor: int) -> None:
        """This file of the log does not grow any more."""
        if self._later is not None:
            self.close()
            self._enter(descriptor)

    def close(self) -> None:
        """Write no more entries."""
        if self._later is not None:
            self._later.cancel()
            self._later = None

    async def _enter_after(self, seconds: float, descriptor: int) -> None:
        await self._loop.sleep(seconds)
        self._later = None
        self._enter(descriptor)

    def _enter(self, descriptor: int) -> None:
        """Without its times the log is still a log, so errors are left aside."""
        self._written_at = self._loop.now()
        try:
            # On a network file system, asking for the size also sends what has been written.
            size = os.fstat(descriptor).st_size
            entry = f"{time.time():.3f} {size}\n".encode()
            index = os.open(self.path, _APPEND, 0o600)
        except OSError:
            return
        try:
            entry = b"\n" + entry if self._is_torn else entry
            self._is_torn = True
            self._is_torn = os.write(index, entry) < len(entry)
        except OSError:
            pass
        finally:
            os.close(index)


def _rename(old: str, new: str) -> None:
    """Also where there is no such file: then what had the new name goes."""
    try:
        os.rename(old, new)
    except FileNotFoundError:
        try:
            os.unlink(new)
        except FileNotFoundError:
            pass
