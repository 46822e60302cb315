"""Opening files that a job wrote, and whose containers may have put something else in their place."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from sidecar.errors import LogUnavailable


def open_regular(path: Path) -> BinaryIO:
    """Open a file that the job wrote. The job's containers may have put something else in its place.

    :raises FileNotFoundError: there is nothing at that path
    :raises LogUnavailable: it is a link or no regular file, or cannot be opened
    """
    descriptor, _ = open_descriptor(path)
    return os.fdopen(descriptor, "rb")


def open_descriptor(path: Path) -> tuple[int, os.stat_result]:
    """The same without Python's file around it, whose making asks the kernel three more questions.

    :return: the descriptor, which the caller closes, and what the file is
    :raises FileNotFoundError: there is nothing at that path
    :raises LogUnavailable: it is a link or no regular file, or cannot be opened
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        cause = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        raise LogUnavailable(f"The log {path.name} cannot be shown: {cause}.") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise LogUnavailable(f"The log {path.name} cannot be shown: it is not a regular file.")
    return descriptor, status
