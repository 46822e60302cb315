"""The job's own output, where the shell text before the containers and the runner itself speak."""

from __future__ import annotations

import os
import re

from sidecar.errors import LogUnavailable
from sidecar.pod_files.paths import PodDirectory
from sidecar.system.plain_files import open_descriptor
from sidecar.system.users import acting_as_owner_of

MAX_BYTES = 2048
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def last_words(directory: PodDirectory) -> str:
    """The end of the output, without control characters; empty where there is none that can be read."""
    try:
        with acting_as_owner_of(directory.root):
            end = _end(directory)
    except (OSError, LogUnavailable):
        return ""
    text = end.decode(errors="replace").replace("\r\n", "\n")
    return _CONTROL.sub("", _ESCAPES.sub("", text)).strip()


def _end(directory: PodDirectory) -> bytes:
    descriptor, status = open_descriptor(directory.output)
    try:
        data = os.pread(descriptor, MAX_BYTES, max(0, status.st_size - MAX_BYTES))
    finally:
        os.close(descriptor)
    # Not half of a first line, if there is a whole one.
    return data if status.st_size <= MAX_BYTES else data.partition(b"\n")[2] or data
