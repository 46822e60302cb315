"""Writing what a pod's job writes, in its place."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from typing import Any

from sidecar.pod_files.paths import PodDirectory
from sidecar.runner.contract import layout
from tests.factories import NOON


class ReportingJob:
    """The files of a job that runs, written by a test; each fact is a second later than the one before."""

    def __init__(self, directory: PodDirectory, *, now: datetime = NOON + timedelta(seconds=10)) -> None:
        self.directory = directory
        self._now = now

    def says(self, fact: str, *, end: str = "\n", **fields: Any) -> None:
        """Add a line to the report."""
        self._now += timedelta(seconds=1)
        line = json.dumps({"at": self._now.isoformat(), "fact": fact, **fields})
        with self.directory.report.open("a", encoding="utf-8") as file:
            file.write(line + end)

    def can_ring(self) -> None:
        """It is a job of a supervisor, which rings."""
        (self.directory.root / layout.DOCUMENT).touch()

    def rings(self) -> None:
        """Tell the daemon that the report has grown."""
        bell = layout.bell(str(self.directory.root.parent), os.getuid())
        descriptor = os.open(bell, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{self.directory.root.name}\n".encode())
        os.close(descriptor)

    def prints(self, text: str, container: str = "main", attempt: int = 0) -> None:
        """Add to a container's log."""
        with self.directory.log(container, attempt).open("a", encoding="utf-8") as file:
            file.write(text)
