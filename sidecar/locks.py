"""Two kinds of locks around a submission: one against other threads, one that outlives this process."""

from __future__ import annotations

import fcntl
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class KeyedLocks:
    """One thread at a time per key."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._users: Counter[str] = Counter()

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Wait for the key's lock and hold it."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
            self._users[key] += 1
        try:
            with lock:
                yield
        finally:
            with self._guard:
                self._users[key] -= 1
                if not self._users[key]:
                    del self._users[key], self._locks[key]


class SubmissionLocks:
    """A lock file per submission, inherited by sbatch: while sbatch lives, also after this program's death, it is held.

    The files lie beside the database, on a local disk, because locks on network file systems do not pass to children.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def try_acquire(self, uid: str) -> int | None:
        """A file descriptor that holds the pod's lock, or ``None`` while an sbatch still runs for it."""
        descriptor = os.open(self._path(uid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def release(self, uid: str, descriptor: int, *, settled: bool) -> None:
        """Let go of the lock.

        :param settled: whether the submission's outcome is stored; then the file is no longer needed
        """
        if settled:
            self._path(uid).unlink(missing_ok=True)
        os.close(descriptor)

    def _path(self, uid: str) -> Path:
        return self._folder / f"{uid}.lock"
