"""The numbers in the migrations' file names are Alembic's revisions."""

from __future__ import annotations

from pathlib import Path

from alembic.script import ScriptDirectory

from sidecar.store import migrate

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def test_every_migrations_file_begins_with_its_revision() -> None:
    for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions():
        assert Path(script.path).name.startswith(f"{script.revision}_")


def test_the_newest_schema_is_the_last_migration() -> None:
    assert migrate.newest_schema() == ScriptDirectory(str(MIGRATIONS)).get_current_head()
