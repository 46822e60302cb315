"""From one schema to the next: never without a backup, never backwards."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from sidecar.errors import StoreError
from sidecar.store import journal, migrate
from sidecar.store.engine import Database
from sidecar.store.tables import Base
from tests.factories import NOON, RUNNING, accepted, observations, uid

ROOT = Path(__file__).parents[2]
NEXT_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pod_states", sa.Column("colour", sa.Text()))
"""


def run(path: Path, *statements: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
        connection.commit()
    return rows


def revision_of(path: Path) -> object:
    return run(path, "SELECT version_num FROM alembic_version")[0][0]


def test_the_migrations_make_exactly_the_tables_of_the_models(database_path: Path) -> None:
    with create_engine(f"sqlite:///{database_path}").connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []


def test_the_migrations_make_the_indexes_of_the_models(database_path: Path, tmp_path: Path) -> None:
    models = create_engine(f"sqlite:///{tmp_path / 'models.db'}")
    Base.metadata.create_all(models)
    models.dispose()
    indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"

    assert run(database_path, indexes) == run(tmp_path / "models.db", indexes)


def test_a_new_file_needs_no_backup_and_an_up_to_date_one_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.db"

    assert migrate.upgrade(path, now=NOON) is None
    assert migrate.upgrade(path, now=NOON) is None
    assert not (tmp_path / "backups").exists()


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the program is one migration further."""
    folder = tmp_path / "migrations"
    shutil.copytree(ROOT / "migrations", folder)
    head = sorted(path.name for path in (folder / "versions").glob("[0-9]*.py"))[-1].partition("_")[0]
    (folder / "versions" / "9999_next.py").write_text(NEXT_MIGRATION.format(head=head))
    monkeypatch.setattr(migrate, "_folder", lambda: folder)


def test_an_older_database_is_saved_then_brought_up_to_date(database: Database, request: pytest.FixtureRequest) -> None:
    with database.write() as session:
        journal.append(session, uid(1), observations(accepted(), *RUNNING), state=None, now=NOON)
    before = revision_of(database.path)
    request.getfixturevalue("next_version")

    saved = migrate.upgrade(database.path, now=NOON)

    assert saved == database.path.parent / "backups" / f"sidecar-schema-{before}-20261124T120000Z.db"
    assert (revision_of(saved), revision_of(database.path)) == (before, "next")
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert stat.S_IMODE(saved.parent.stat().st_mode) == 0o700
    count = "SELECT count(*) FROM events"
    assert run(saved, count) == run(database.path, count) == [(1 + len(RUNNING),)]


def test_a_newer_database_is_refused_and_left_as_it_is(database_path: Path) -> None:
    run(database_path, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(
        StoreError, match=r"written by a newer slurm-sidecar \(schema 9999\); install that version again"
    ):
        migrate.upgrade(database_path, now=NOON)
    assert revision_of(database_path) == "9999"


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cookies.db"
    run(path, "CREATE TABLE cookies (name TEXT)")

    with pytest.raises(StoreError, match="is a database of another program; set DatabasePath to another file"):
        migrate.upgrade(path, now=NOON)


def test_a_backup_is_a_whole_database_of_its_own_while_others_write(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        journal.append(session, uid(1), observations(accepted()), state=None, now=NOON)
    with database.write() as session:
        journal.append(session, uid(2), observations(accepted()), state=None, now=NOON)
        session.flush()
        copy = migrate.backup(database.path, tmp_path / "copy.db")

    assert run(copy, "SELECT pod_uid FROM events") == [(uid(1),)]
    assert run(copy, "PRAGMA integrity_check") == [("ok",)]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_backup_replaces_nothing_and_invents_nothing(database_path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")

    with pytest.raises(StoreError, match="exists; give the backup a new name"):
        migrate.backup(database_path, target)
    with pytest.raises(StoreError, match="there is no database"):
        migrate.backup(tmp_path / "none.db", tmp_path / "other.db")
    with pytest.raises(StoreError, match="cannot be copied"):
        migrate.backup(database_path, tmp_path / "no" / "folder.db")
    assert target.read_text() == "precious"
