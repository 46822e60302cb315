"""Alembic's entry: migrates the connection it is given, or the database of ``alembic.ini``."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine

from sidecar.store.tables import Base

config = context.config


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if "connection" in config.attributes:
    _migrate(config.attributes["connection"])
else:
    with create_engine(config.get_main_option("sqlalchemy.url") or "sqlite://").connect() as own_connection:
        _migrate(own_connection)
