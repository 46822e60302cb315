"""The doctor's look at the data folder and the database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sidecar.cli.findings import Finding, ok, problem, warning
from sidecar.errors import StoreError
from sidecar.pod_files import places
from sidecar.settings import Settings
from sidecar.store import reading
from sidecar.store.filesystem import network_file_system

_LITTLE_BYTES = 1024**3
_USABLE = os.R_OK | os.W_OK | os.X_OK


def data_folder(settings: Settings) -> Finding:
    """Whether pods' directories can be written, and where they would be."""
    folder = settings.data_root_folder
    existing = _nearest(folder)
    if not existing.is_dir() or not os.access(existing, _USABLE):
        return problem("data folder", f"{folder} cannot be written by this user; see DataRootFolder")
    free = shutil.disk_usage(existing).free
    if free < _LITTLE_BYTES:
        return warning("data folder", f"{folder} has only {free // 1024**2} MiB left; pods write their logs there")
    kind = network_file_system(existing)
    state = "writable" if existing == folder else "will be made at the first start"
    where = f"on a network file system ({kind})" if kind else "on a local file system"
    if settings.shared_fs and not kind:
        where += "; the compute nodes must see it at the same path, or set SHARED_FS=false"
    return ok("data folder", f"{folder}: {state}, {free // 1024**3} GiB free, {where}")


def job_places(settings: Settings) -> Iterator[Finding]:
    """Whether what jobs need beside their pods' directories can be put there."""
    if not settings.shared_fs:
        return
    root = settings.data_root_folder
    names = ", ".join(places.FOLDERS)
    found = list(places.problems(root, settings.uid))
    yield from (problem("job folders", text) for text in found)
    if not found:
        is_there = all((root / name).is_dir() for name in places.FOLDERS)
        yield ok("job folders", f"{names}: {'there' if is_there else 'the sidecar and its jobs make what is missing'}")


def database(settings: Settings) -> Iterator[Finding]:
    """Whether the history can be read and written, and what copies there are."""
    path = settings.database_path
    kind = network_file_system(_nearest(path.parent))
    if kind and settings.database_journal_mode == "wal":
        yield problem(
            "database",
            f"{path} is on a network file system ({kind}), where it could be damaged; set DatabasePath to a local "
            "disk, or DatabaseJournalMode: delete",
        )
    elif not path.exists():
        yield _place_for_database(path)
    else:
        yield _present_database(path)
        yield _backups(path.parent / "backups")


def _place_for_database(path: Path) -> Finding:
    if os.access(_nearest(path.parent), _USABLE):
        return ok("database", f"{path} will be made at the first start")
    return problem("database", f"{path} cannot be made by this user; see DatabasePath")


def _present_database(path: Path) -> Finding:
    try:
        found = reading.examine(path)
    except StoreError as error:
        return problem("database", str(error))
    if found.problem:
        return problem("database", f"{path} is damaged ({found.problem}); put back a copy, see backups")
    if not os.access(path, os.W_OK):
        return problem("database", f"{path} cannot be written by this user; run as its owner")
    if found.schema == found.newest_schema:
        return ok("database", f"{path} is sound, schema {found.schema}")
    return warning(
        "database",
        f"{path} is sound, schema {found.schema or 'none yet'}; this version writes {found.newest_schema}: "
        "the next start brings an older one up to date, after a backup, and refuses a newer one",
    )


def _backups(folder: Path) -> Finding:
    copies = sorted(folder.glob("*.db")) if folder.is_dir() else []
    if copies:
        return ok("backups", f"{len(copies)} in {folder}, the last is {copies[-1].name}")
    return ok("backups", "none made automatically yet; 'slurm-sidecar backup FILE' makes one at any time")


def _nearest(path: Path) -> Path:
    """The path, or the nearest one above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())
