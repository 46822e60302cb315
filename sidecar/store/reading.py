"""Looking at a database without a daemon: nothing is created, changed or locked for others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from sidecar.domain.state import PodState
from sidecar.errors import StoreError
from sidecar.store.journal import decode_state
from sidecar.store.tables import PodRow

_WAL_VERSION = 2
"""Byte 19 of a file in WAL mode: https://www.sqlite.org/fileformat2.html#the_database_header"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What a database file looks like."""

    schema: str
    """Empty for a file without tables."""
    newest_schema: str
    """The one of this program."""
    problem: str
    """SQLite's own words about a damage; empty for a sound file."""


@contextmanager
def read_only(path: Path) -> Iterator[Session]:
    """A session that sees one consistent snapshot, also beside a running daemon.

    :raises StoreError: there is no database, or it cannot be read
    """
    engine = create_engine("sqlite://", creator=lambda: _connect(path))
    try:
        with Session(engine) as session:
            yield session
    except DatabaseError as error:
        raise _unreadable(path, str(error.orig)) from error
    finally:
        engine.dispose()


def examine(path: Path) -> Examination:
    """Check a database's schema and soundness.

    :raises StoreError: there is no database, or it cannot be read
    """
    from sidecar.store import migrate  # alembic is heavy, and a mere look at pods does without it

    try:
        with closing(_connect(path)) as connection:
            problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            has_schema = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if has_schema else None
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, str(error)) from error
    return Examination(
        schema=row[0] if row else "",
        newest_schema=migrate.newest_schema(),
        problem="" if problem == "ok" else str(problem),
    )


def listed(session: Session, *, namespace: str = "", phase: str = "") -> list[PodState]:
    """Pods of a namespace or a phase (empty: of any), newest first."""
    statement = select(PodRow.state).order_by(PodRow.accepted_at.desc())
    if namespace:
        statement = statement.where(PodRow.namespace == namespace)
    if phase:
        statement = statement.where(PodRow.phase == phase)
    return [decode_state(text) for text in session.scalars(statement)]


def with_uid_prefix(session: Session, prefix: str) -> list[PodState]:
    """Pods whose UID begins so, newest first."""
    statement = select(PodRow.state).where(PodRow.uid.startswith(prefix, autoescape=True))
    return [decode_state(text) for text in session.scalars(statement.order_by(PodRow.accepted_at.desc()))]


def _connect(path: Path) -> sqlite3.Connection:
    """A read-only connection.

    A file in WAL mode whose log is absent is open nowhere; reading it in the usual way would leave a new log behind.

    Source: https://www.sqlite.org/wal.html#read_only_databases, https://www.sqlite.org/uri.html
    """
    try:
        with path.open("rb") as file:
            header = file.read(20)
    except OSError as error:
        raise _unreadable(path, error.strerror or "") from error
    is_wal = len(header) == 20 and header[19] == _WAL_VERSION
    immutable = "&immutable=1" if is_wal and not path.with_name(path.name + "-wal").exists() else ""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{immutable}", uri=True, timeout=10)


def _unreadable(path: Path, why: str) -> StoreError:
    if why == "No such file or directory":
        return StoreError(f"there is no database {path}: the daemon makes it at its first start; see DatabasePath")
    if "malformed" in why or "not a database" in why:
        return StoreError(
            f"the database {path} is damaged ({why}); stop the daemon and put back a copy made by "
            f"'slurm-sidecar backup' (automatic ones are in {path.parent / 'backups'})"
        )
    return StoreError(f"the database {path} cannot be read ({why}); run this as the daemon's user, or see DatabasePath")
