"""The job's report: what happened, a line of JSON each, for the daemon to read."""

import os
import time

from sidecar.runner.contract import plain_json
from sidecar.runner.contract.facts import FACTS, OPTIONAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Tuple

    from sidecar.runner.system.event_loop import Loop

    Fact = Tuple[str, Dict[str, Any]]

_LAST_TRIES = 10
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
"""The pod's user may have put a link or a pipe in a file's place."""


class Report:
    """Appends facts, and rings the daemon's bell."""

    def __init__(self, path: str, bell: str) -> None:
        """
        :param bell: the bell's file; empty where nobody hears it
        """
        self._path = path
        self._bell = bell
        self._ring = os.path.basename(os.path.dirname(path)).encode() + b"\n"
        self._is_stopping = False
        self._unwritten = b""

    def write(self, *facts: "Fact") -> None:
        """Append facts in one write, so that nobody reads one without the others.

        The file is opened anew each time: closing it is what makes a network file system hand it on.
        """
        now = round(time.time(), 3)
        self._unwritten += b"".join(_line(kind, now, fields) for kind, fields in facts)
        self._send()

    def _send(self) -> None:
        """What cannot be written now, such as on a full file system, is written with the next facts."""
        try:
            while self._unwritten:
                self._unwritten = self._unwritten[_append(self._path, self._unwritten) :]
            if self._bell:
                _append(self._bell, self._ring)
        except OSError:
            pass  # as for the bell: the daemon also reads all reports from time to time

    async def finish(self, loop: "Loop") -> bool:
        """Write what could not be written so far; return whether that could be done in some seconds."""
        for _ in range(_LAST_TRIES):
            if not self._unwritten:
                return True
            await loop.sleep(1)
            self._send()
        return not self._unwritten

    def write_stopping(self, signal_name: str = "TERM") -> None:
        """Say once that the job was asked to stop; what follows may have its cause in that."""
        if not self._is_stopping:
            self._is_stopping = True
            self.write(("job_stopping", {"signal": signal_name}))


def _line(kind: str, now: float, fields: "Dict[str, Any]") -> bytes:
    known = FACTS[kind]
    missing = [name for name in known if name not in fields and name not in OPTIONAL]
    if missing or any(name not in known for name in fields):
        raise ValueError(f"{kind} has the fields {', '.join(known)}")
    given = {name: value for name, value in fields.items() if value is not None}
    return plain_json.dumps_flat({"fact": kind, "at": now, **given}).encode("ascii") + b"\n"


def _append(path: str, data: bytes) -> int:
    descriptor = os.open(path, _APPEND, 0o600)
    try:
        return os.write(descriptor, data)
    finally:
        os.close(descriptor)
