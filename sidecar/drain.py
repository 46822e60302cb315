"""Draining: the node takes no new pods while those it has go on, until somebody ends it.

A file beside the database holds it, and this module alone reads and writes it. Not the database: that has the pods'
history and one writer, the daemon, while a node is also drained before the daemon's start and beside its restart. The
file is there at once for the daemon, which looks before it takes a pod.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from sidecar.errors import CannotDrain


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainState:
    """Whether the node is being drained."""

    draining: bool = False
    since: datetime | None = None
    """When it began, or ended."""
    reason: str = ""
    """The person's words."""
    was_used: bool = False
    """Whether the node was ever drained: a taint of that time may still have to be taken away."""

    @property
    def sentence(self) -> str:
        """``draining since ... (kernel update)``; empty while the node takes pods."""
        if not self.draining:
            return ""
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"draining{since}" + (f" ({self.reason})" if self.reason else "")


class _Stored(msgspec.Struct):
    draining: bool
    since: datetime
    reason: str = ""


class Drain:
    """The file ``drain.json``."""

    def __init__(self, database_path: Path) -> None:
        self._path = database_path.parent / "drain.json"

    @property
    def state(self) -> DrainState:
        """What holds now. A file that cannot be read was written by somebody who meant it: no new pods."""
        try:
            stored = msgspec.json.decode(self._path.read_bytes(), type=_Stored)
        except FileNotFoundError:
            return DrainState()
        except (OSError, msgspec.DecodeError):
            return DrainState(draining=True, reason=f"{self._path} cannot be read", was_used=True)
        return DrainState(draining=stored.draining, since=stored.since, reason=stored.reason, was_used=True)

    def begin(self, reason: str, now: datetime) -> DrainState:
        """Take no new pods from now on; of a node that is being drained already only the reason changes.

        :raises CannotDrain: the file cannot be written
        """
        before = self.state
        since = before.since if before.draining and before.since else now
        self._write(_Stored(draining=True, since=since, reason=reason or before.reason if before.draining else reason))
        return self.state

    def end(self, now: datetime) -> DrainState:
        """Take pods again.

        :raises CannotDrain: the file cannot be written
        """
        if self.state.was_used:
            self._write(_Stored(draining=False, since=now))
        return self.state

    def _write(self, stored: _Stored) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _replace(self._path, msgspec.json.encode(stored))
        except OSError as error:
            raise CannotDrain(f"{self._path} cannot be written: {error.strerror}; be the daemon's user") from error


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all, and still there after a power failure."""
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        os.fchmod(file.fileno(), 0o644)  # the daemon reads it, whoever has written it
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
