"""The images that jobs have fetched: where they are, what is known about them, and which can go.

``<DataRootFolder>/.images/<user id>/`` holds, for every image, files that begin with its key:

- ``KEY.sif``: the image; ``KEY.txt``: what it is (``NAME=VALUE`` lines), as old as the beginning of its pull;
- ``KEY.lock``: locked during a pull, and as old as the image's last use;
- ``KEY.failed``: the words of a pull that failed, as old as its beginning;
- ``KEY.used.JOB.CONTAINER``: another name of the image's file, for a job's container, until the job ends;
- ``KEY.part.JOB.CONTAINER/``: a pull under way; ``KEY.cache/``: the runtime's own cache.

``runner/images.sh`` writes them. An image that was pulled with a login has a key of its namespace: who has no login
does not get at it by way of the cache, as with
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#alwayspullimages.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sidecar.domain.plan import PlannedContainer
from sidecar.domain.references import digest_of
from sidecar.errors import JobFilesError
from sidecar.system.users import acting_as_owner_of

_FOLDER = ".images"
_SUFFIXES = (".sif", ".txt", ".failed", ".cache", ".lock")
_ABANDONED_AFTER = timedelta(days=1)
"""Pulls that belong to no job are a person's, who may still wait."""


def cache_key(image: str, namespace: str = "") -> str:
    """What an image's files begin with.

    :param image: as the runtime is given it
    :param namespace: for a pull with a login
    """
    text = f"{namespace}\n{image}" if namespace else image
    return hashlib.sha256(text.encode()).hexdigest()


def cache_keys(planned: PlannedContainer, namespace: str) -> list[str]:
    """Where a container finds its image: first where it would put it, then where it is for everybody."""
    return [*([cache_key(planned.image, namespace)] if planned.login else []), cache_key(planned.image)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedImage:
    """One image in the cache."""

    file: Path
    image: str
    """As the runtime was given it."""
    namespace: str
    """Whose it is, where it was pulled with a login; empty: everybody's."""
    size_bytes: int
    fetched_at: datetime
    used_at: datetime
    jobs: tuple[str, ...]
    """Jobs that use it, or have died without taking their mark away."""

    @property
    def digest(self) -> str:
        """The digest that its name states, or nothing."""
        return digest_of(self.image)

    @property
    def key(self) -> str:
        """What its files begin with."""
        return self.file.stem


def listed(data_root: Path) -> list[CachedImage]:
    """All images in the caches that this user may read, by name."""
    found: list[CachedImage | None] = []
    for folder in _caches(data_root):
        with acting_as_owner_of(folder):
            found += [_read(file) for file in folder.glob("*.sif")]
    return sorted((image for image in found if image), key=lambda image: (image.image, image.namespace))


def owners(data_root: Path) -> list[int]:
    """The Unix ids of the users whose jobs have fetched images."""
    return [int(folder.name) for folder in _caches(data_root) if folder.name.isdigit()]


def _caches(data_root: Path) -> Iterator[Path]:
    for folder in sorted((data_root / _FOLDER).glob("*/")):
        if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
            yield folder


def _read(file: Path) -> CachedImage | None:
    try:
        about = dict(line.split("=", 1) for line in file.with_suffix(".txt").read_text().splitlines() if "=" in line)
        status = file.stat()
        used_at = max(status.st_ctime, file.with_suffix(".lock").stat().st_mtime)
    except FileNotFoundError:
        return None  # removed meanwhile, or about to come
    return CachedImage(
        file=file,
        image=about.get("image", ""),
        namespace=about.get("namespace", ""),
        size_bytes=status.st_size,
        fetched_at=_moment(float(about.get("fetched") or status.st_mtime)),
        used_at=_moment(used_at),
        jobs=tuple(sorted({_job(mark) for mark in file.parent.glob(f"{file.stem}.used.*")})),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _job(path: Path) -> str:
    """The job of a ``KEY.used.JOB.CONTAINER`` or ``KEY.part.JOB.CONTAINER``."""
    return path.name.split(".")[2]


def unused(data_root: Path, *, since: datetime, live_jobs: Collection[str]) -> list[CachedImage]:
    """Images that no live job uses and that none has used since then."""
    return [image for image in listed(data_root) if _is_unused(image, since, live_jobs)]


def _is_unused(image: CachedImage, since: datetime, live_jobs: Collection[str]) -> bool:
    return image.used_at < since and not set(image.jobs) & set(live_jobs)


def remove(image: CachedImage, *, since: datetime, live_jobs: Collection[str]) -> bool:
    """Remove an image; return whether it is gone. One that is being pulled, or was used since then, stays.

    A job that finds it a moment before has a name of its own for the file.

    :raises JobFilesError: it cannot be removed
    """
    try:
        with acting_as_owner_of(image.file.parent), _locked(image.file.with_suffix(".lock")) as is_ours:
            now = _read(image.file) if is_ours else None
            if now is None or not _is_unused(now, since, live_jobs):
                return False
            for suffix in _SUFFIXES:
                _remove(image.file.with_suffix(suffix))
    except OSError as error:
        raise JobFilesError(f"{image.file} cannot be removed: {error.strerror}") from error
    return True


def remove_abandoned(data_root: Path, *, live_jobs: Collection[str], now: datetime) -> int:
    """Remove what jobs that died have left behind: half pulls and marks of use; return how many.

    :raises JobFilesError: something cannot be removed
    """
    count = 0
    for folder in _caches(data_root):
        with acting_as_owner_of(folder):
            left = [path for kind in ("part", "used") for path in folder.glob(f"*.{kind}.*")]
            count += _remove_all(path for path in left if _is_dead(path, live_jobs, now))
    return count


def _remove_all(paths: Iterable[Path]) -> int:
    count = 0
    try:
        for path in paths:
            _remove(path)
            count += 1
    except OSError as error:
        raise JobFilesError(f"{error.filename} cannot be removed: {error.strerror}") from error
    return count


def _is_dead(path: Path, live_jobs: Collection[str], now: datetime) -> bool:
    job = _job(path)
    if job in live_jobs:
        return False
    return job[:1].isdigit() or now - _moment(path.lstat().st_ctime) > _ABANDONED_AFTER


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _locked(file: Path) -> Iterator[bool]:
    """Hold an image's lock, as ``flock`` in the runner does; ``False`` where somebody else does."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
