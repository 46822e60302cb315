"""Fixtures for tests against real processes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.slurm.client import Programs, SlurmClient

Install = Callable[..., SlurmClient]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Install scripts under the names of Slurm's programs and give a client that calls them."""

    def install(*, timeout_seconds: float = 60, environ: dict[str, str] | None = None, **scripts: str) -> SlurmClient:
        for name, body in scripts.items():
            program = tmp_path / name
            program.write_text(f"#!/bin/bash\nhere={shlex.quote(str(tmp_path))}\n{body}\n")
            program.chmod(0o755)
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        return SlurmClient(Programs(), timeout_seconds=timeout_seconds, environ=path | (environ or {}))

    return install
