"""Campaigns need what the end-to-end tests need."""

from __future__ import annotations

from tests.e2e.conftest import image, own_daemon, pytest_runtest_makereport

__all__ = ["image", "own_daemon", "pytest_runtest_makereport"]
