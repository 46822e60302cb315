"""The Slurm that everything is measured with, asked directly."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.daemon import environment_of_jobs


def submit(script: Path) -> None:
    """The raw call that the sidecar is compared with."""
    subprocess.run(
        ["sbatch", "--parsable", str(script)],
        env=environment_of_jobs(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )


@contextmanager
def job_name() -> Iterator[str]:
    """A name for jobs that nobody else has; the jobs of that name end with the context."""
    name = f"bench-{secrets.token_hex(6)}"
    try:
        yield name
    finally:
        cancel(name)


def cancel(name: str) -> None:
    """Cancel all jobs of that name."""
    subprocess.run(["scancel", "--me", f"--name={name}"], check=True)


def version() -> str:
    """What Slurm calls itself."""
    return subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def counting(folder: Path, programs: Sequence[str]) -> dict[str, Path]:
    """Programs that note each call and then are the real ones."""
    wrappers = {}
    for name in programs:
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\necho {name} >>"{folder}/calls"\nexec {real_path(name)} "$@"\n')
        wrapper.chmod(0o755)
        wrappers[name] = wrapper
    (folder / "calls").touch()
    return wrappers


def real_path(program: str) -> str:
    """Where a program is.

    :raises FileNotFoundError: it is not on PATH
    """
    found = shutil.which(program)
    if found is None:
        raise FileNotFoundError(f"there is no {program} on PATH")
    return found
