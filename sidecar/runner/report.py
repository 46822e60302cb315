"""The job's report: what happened, a line of JSON each, for the daemon to read."""

import json
import os
import time

from sidecar.runner.contract.facts import FACTS, OPTIONAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Tuple

    Fact = Tuple[str, Dict[str, Any]]


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

    def write(self, *facts: "Fact") -> None:
        """Append facts in one write, so that nobody reads one without the others.

        The file is opened anew each time: closing it is what makes a network file system hand it on.
        """
        now = round(time.time(), 3)
        _append(self._path, b"".join(_line(kind, now, fields) for kind, fields in facts))
        if self._bell:
            try:
                _append(self._bell, self._ring)
            except OSError:
                pass  # the daemon also reads all reports from time to time

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
    return json.dumps({"fact": kind, "at": now, **given}).encode("ascii") + b"\n"


def _append(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
