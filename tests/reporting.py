"""Writing what a pod's job writes, in its place."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sidecar.job.paths import PodDirectory
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

    def prints(self, text: str, container: str = "main", attempt: int = 0) -> None:
        """Add to a container's log."""
        with self.directory.log(container, attempt).open("a", encoding="utf-8") as file:
            file.write(text)
