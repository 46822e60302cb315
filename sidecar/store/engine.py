"""Opening the database so that it survives crashes, and saying clearly when it cannot be used."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session

from sidecar.errors import AlreadyRunning, StoreBusy, StoreError
from sidecar.store.filesystem import network_file_system

_BUSY_TIMEOUT_MS = 10_000
_CACHE_KIB = 8_000
"""Room for the states of a few thousand pods; with SQLite's own 2000, asking for 1,000 among 10,000 reads the file."""


class Database:
    """One SQLite file: any number of readers, one writer at a time.

    WAL lets readers work while somebody writes, ``synchronous=FULL`` makes a commit survive a power cut.

    Source: https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous
    """

    def __init__(self, path: Path, *, journal_mode: str = "wal") -> None:
        self.path = path
        self._reader = _engine(path, journal_mode, "BEGIN")
        self._writer = _engine(path, journal_mode, "BEGIN IMMEDIATE")

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one consistent snapshot."""
        with _explained(self.path), Session(self._reader) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that holds the write lock from its beginning and commits at its end.

        :raises StoreError: the disk is full, the file damaged or read-only; nothing was changed
        """
        with _explained(self.path), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def check(self) -> None:
        """Prove that the database can be written, without writing.

        Taking the write lock alone proves nothing: in a read-only file SQLite quietly takes the read lock instead.

        :raises StoreError: it cannot
        """
        with self.write() as session:
            session.connection().exec_driver_sql("DELETE FROM pod_states WHERE false")

    def close(self) -> None:
        """Close all connections."""
        self._reader.dispose()
        self._writer.dispose()


def _engine(path: Path, journal_mode: str, begin: str) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000},
        pool_size=4,
        max_overflow=60,
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in (
            f"journal_mode = {journal_mode}",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"busy_timeout = {_BUSY_TIMEOUT_MS}",
            f"cache_size = -{_CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """SQLite's errors as sentences with the path and the way out."""
    try:
        yield
    except OperationalError as error:
        raise _explain(path, str(error.orig)) from error
    except DatabaseError as error:
        if isinstance(error.orig, sqlite3.DatabaseError) and not isinstance(error.orig, sqlite3.IntegrityError):
            raise _explain(path, str(error.orig)) from error
        raise


def _explain(path: Path, text: str) -> StoreError:
    lowered = text.lower()
    if "locked" in lowered or "busy" in lowered:
        return StoreBusy(f"the database {path} is locked by another program; try again")
    if "full" in lowered or "disk i/o" in lowered:
        return StoreError(f"the disk of the database {path} is full or failing ({text}); free some space")
    if "readonly" in lowered or "unable to open" in lowered:
        return StoreError(f"the database {path} cannot be written ({text}); check its owner, mode and file system")
    if "malformed" in lowered or "not a database" in lowered:
        return StoreError(
            f"the database {path} is damaged ({text}); put back a copy made by 'slurm-sidecar backup' "
            f"(automatic ones are in {path.parent / 'backups'}), or move the file away to start with an empty history"
        )
    return StoreError(f"the database {path} cannot be used: {text}")


def prepare_folder(path: Path) -> None:
    """Make the database's folder (0700) and file (0600), or say why that is impossible.

    :raises StoreError: it cannot be made, or something else is in its place
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise StoreError(f"the database {path} cannot be opened: {error.strerror}; see DatabasePath") from error


def refuse_network_file_system(path: Path, journal_mode: str) -> None:
    """WAL needs shared memory between processes, which network file systems do not have.

    :raises StoreError: the folder is on one and the journal mode is ``wal``
    """
    kind = network_file_system(path.parent)
    if kind and journal_mode == "wal":
        raise StoreError(
            f"the database {path} is on a network file system ({kind}), where it could be damaged; "
            "set DatabasePath to a local disk, or DatabaseJournalMode: delete"
        )


@contextmanager
def single_instance(path: Path) -> Iterator[None]:
    """Hold the lock that keeps a second daemon off the same database.

    :raises AlreadyRunning: another process holds it
    """
    lock = path.with_name(path.name + ".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    except BlockingIOError:
        owner = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
        raise AlreadyRunning(
            f"another slurm-sidecar (process {owner}) is using the database {path}; stop it first"
        ) from None
    finally:
        os.close(descriptor)
