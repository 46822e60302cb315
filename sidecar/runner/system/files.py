"""Small work on files for which the library's own modules take too long to import."""

import os
import stat

from sidecar.runner.system import folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


def remove(path: str) -> None:
    """Remove a file, or a folder with everything in it; nothing happens where there is none.

    :raises OSError: the file cannot be removed
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        folders.remove_tree(path)


def touch(path: str) -> None:
    """Make a file, or make it as new as its file system's clock says: all nodes see the same clock."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    os.close(descriptor)
    os.utime(path)


def is_newer(path: str, other: str) -> bool:
    """Whether a file was changed later than another; one that exists is later than one that does not."""
    ours, others = _changed(path), _changed(other)
    return ours is not None and (others is None or ours > others)


def _changed(path: str) -> "Optional[int]":
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def is_own_and_filled(path: str) -> bool:
    """Whether there is a plain file of this user that is not empty."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0 and status.st_uid == os.geteuid()


def tail(path: str, max_bytes: int) -> bytes:
    """The end of a file; nothing where it cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - max_bytes))
            return file.read(max_bytes)
    except OSError:
        return b""


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, however many calls it takes.

    :raises OSError: the file system or the other end refuses
    """
    while data:
        data = data[os.write(descriptor, data) :]
