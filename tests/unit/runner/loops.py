"""The supervisor's event loop in tests: a real one, and one whose time is made up."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from sidecar.runner.system.event_loop import Loop


class InstantLoop(Loop):
    """Time passes as soon as everything waits for it."""

    def __init__(self) -> None:
        self.time = 1000.0
        super().__init__()

    def now(self) -> float:
        return self.time

    def _wait(self, seconds: float) -> None:
        super()._wait(min(seconds, 0))
        self.time += max(seconds, 0)


@contextmanager
def closing(loop: Loop) -> Iterator[Loop]:
    """Leave nothing of the loop in the process."""
    try:
        yield loop
    finally:
        write_end = signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        loop._poll.close()
        os.close(loop._wakeup)
        os.close(write_end)
