"""Bringing a database file to the program's schema, after a backup of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import create_engine

from sidecar.errors import StoreError


def upgrade(path: Path, *, now: datetime) -> Path | None:
    """Apply the migrations that a database lacks.

    :return: where the backup of the former state is; ``None`` where nothing had to be done or the file is new
    :raises StoreError: the database is newer than the program, or damaged
    """
    present = _revision(path)
    if present == newest_schema():
        return None
    if present is not None and present not in _schemas():
        raise StoreError(
            f"the database {path} was written by a newer slurm-sidecar (schema {present}); "
            "install that version again, or put back a backup of the time before"
        )
    saved = backup(path, _backup_path(path, present, now)) if present else None
    _apply(path)
    return saved


def newest_schema() -> str:
    """The schema that this program writes."""
    return max(_schemas())


def _schemas() -> set[str]:
    """All schemas, by the numbers that the migrations' file names begin with.

    Alembic itself is loaded only to migrate: that takes a quarter of a second and 10 MB of memory for good.
    """
    return {file.name.partition("_")[0] for file in (_folder() / "versions").glob("[0-9]*_*.py")}


def _folder() -> Path:
    """The migrations: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def _revision(path: Path) -> str | None:
    """The schema's version in the file; ``None`` for an empty one.

    :raises StoreError: the file is no SQLite database, or one of another program
    """
    try:
        with closing(sqlite3.connect(path)) as connection:
            if (problem := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise StoreError(_damaged(path, problem))
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables:
                return None
            if "alembic_version" not in tables:
                raise StoreError(f"{path} is a database of another program; set DatabasePath to another file")
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return row[0] if row else None
    except sqlite3.DatabaseError as error:
        raise StoreError(_damaged(path, str(error))) from error


def _damaged(path: Path, problem: str) -> str:
    return (
        f"the database {path} cannot be read ({problem}); put back a copy made by 'slurm-sidecar backup' "
        f"(automatic ones are in {path.parent / 'backups'}), or move the file away to start with an empty history"
    )


def _backup_path(path: Path, revision: str, now: datetime) -> Path:
    folder = path.parent / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{path.stem}-schema-{revision}-{now:%Y%m%dT%H%M%SZ}.db"


def backup(path: Path, target: Path) -> Path:
    """Copy a database that may be in use, consistently.

    Source: https://www.sqlite.org/backup.html

    :raises StoreError: the source is no database or the target cannot be written
    """
    if target.exists():
        raise StoreError(f"{target} exists; give the backup a new name")
    if not path.is_file():
        raise StoreError(f"there is no database {path}")
    try:
        target.touch(mode=0o600)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    except (sqlite3.Error, OSError) as error:
        target.unlink(missing_ok=True)
        raise StoreError(f"the database {path} cannot be copied to {target}: {error}") from error
    return target


def _apply(path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_folder()))
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
