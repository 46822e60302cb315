"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sidecar.store import engine, migrate
from tests.factories import NOON

# A run in the background begins with SIGINT ignored, and so would what tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test judges by the clock: machines that run tests are busy. No database of examples: the checkout may belong to
# another user. A thorough search: HYPOTHESIS_PROFILE=thorough.
settings.register_profile("default", deadline=None, database=None)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    """Where a new, empty database of the present schema is."""
    path = tmp_path / "state" / "sidecar.db"
    engine.prepare_folder(path)
    migrate.upgrade(path, now=NOON)
    return path


@pytest.fixture
def database(database_path: Path) -> Iterator[engine.Database]:
    """A new database, open."""
    opened = engine.Database(database_path)
    yield opened
    opened.close()
