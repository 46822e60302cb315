"""The bells: with one small file per user, jobs say whose report has grown, so that nobody need look at each report.

A user's jobs append the name of the pod's directory to ``<DataRootFolder>/.bells/<uid>``. What a user writes there is
only a hint about that user's own pods: it is read in bounded pieces, and what cannot be read or understood costs a look
at all of that user's reports at most.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sidecar.errors import JobFilesError, LogUnavailable
from sidecar.runner.contract import layout
from sidecar.system.plain_files import open_descriptor
from sidecar.system.users import acting_as_owner_of

MAX_NEW_BYTES = 256 * 1024
"""If more was added since the last time, all reports are looked at instead."""
MAX_BYTES = 1024 * 1024
"""A bell that has grown larger is replaced."""
_LONGEST_LINE = 512
_NAME = re.compile(rb"[a-z0-9][-A-Za-z0-9]{0,400}")


@dataclass(frozen=True, slots=True)
class Rings:
    """What was heard since the last time."""

    names: frozenset[str] = frozenset()
    """Directories of pods, as the user's jobs name them."""
    unclear: bool = False
    """Any of the user's pods may have rung besides."""


def prepare(data_root: Path, uid: int, gid: int) -> None:
    """Make a user's bell where there is none; only the daemon's own user can put files beside it.

    :param data_root: ``DataRootFolder``
    :raises JobFilesError: it cannot be made
    """
    bell = Path(layout.bell(str(data_root), uid))
    try:
        _prepare_folder(bell.parent)
        if not _is_bell_of(bell, uid):
            _make(bell, uid, gid)
    except OSError as error:
        raise JobFilesError(f"The bell {bell} cannot be made: {error.strerror or type(error).__name__}.") from error


def _prepare_folder(folder: Path) -> None:
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o711)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(1, f"{folder} is not a folder of the sidecar's user; remove it")


def _is_bell_of(bell: Path, uid: int) -> bool:
    try:
        status = bell.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid == uid


def _make(bell: Path, uid: int, gid: int) -> None:
    beside = bell.with_name(f".new-{bell.name}-{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if uid != os.geteuid():
            os.fchown(descriptor, uid, gid)
        beside.rename(bell)
    finally:
        os.close(descriptor)
        beside.unlink(missing_ok=True)


class Bell:
    """One user's bell, listened to again and again."""

    def __init__(self, data_root: Path, uid: int) -> None:
        self._data_root = data_root
        self._uid = uid
        self._path = Path(layout.bell(str(data_root), uid))
        self._file: tuple[int, int] | None = None
        self._offset = 0

    def listen(self) -> Rings:
        """What was added since the last time; all is unclear at first."""
        try:
            with acting_as_owner_of(self._path):
                rings, size, gid = self._read()
        except (OSError, LogUnavailable):
            return Rings()  # nobody has rung, or the user has spoilt it
        if size > MAX_BYTES:
            self._replace(gid)
        return rings

    def _read(self) -> tuple[Rings, int, int]:
        descriptor, status = open_descriptor(self._path)
        try:
            if status.st_uid != self._uid:
                return Rings(), 0, status.st_gid
            return self._heard(descriptor, status), status.st_size, status.st_gid
        finally:
            os.close(descriptor)

    def _heard(self, descriptor: int, status: os.stat_result) -> Rings:
        file, size = (status.st_dev, status.st_ino), status.st_size
        is_same, begin = file == self._file and size >= self._offset, self._offset
        self._file = file
        if is_same and size == begin:
            return Rings()
        if not is_same or size - begin > MAX_NEW_BYTES:
            self._offset = size
            return Rings(unclear=True)
        data = os.pread(descriptor, size - begin, begin)
        complete = data.rfind(b"\n") + 1
        # An unfinished line is read again with its end; a long one is no name.
        self._offset += complete if len(data) - complete <= _LONGEST_LINE else len(data)
        return Rings(names=frozenset(_names(data[:complete])))

    def _replace(self, gid: int) -> None:
        """Jobs open it anew for each ring. One that has opened the old file this moment is found by the look at all."""
        with suppress(JobFilesError, OSError):
            _make(self._path, self._uid, gid)


def _names(lines: bytes) -> Iterator[str]:
    for line in lines.split(b"\n"):
        if _NAME.fullmatch(line):
            yield line.decode("ascii")
