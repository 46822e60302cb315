"""Writing and removing the directory of a pod.

It appears whole or not at all: everything is written beside its place, forced to disk, and renamed. It is the only
place of the pod's secrets, so what ``/create`` has answered for must survive a power cut.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from sidecar.domain.plan import JobPlan
from sidecar.domain.pod import FilesVolume, Pod
from sidecar.errors import JobFilesError
from sidecar.job import script
from sidecar.job.contents import PodFile, pod_files
from sidecar.job.paths import ABANDONED_PREFIXES, PodDirectory
from sidecar.job.site import JobSite

_NEW, _GONE = ABANDONED_PREFIXES
_OPEN_AT_ONCE = 64  # far below the usual limit of 1024 descriptors, with several requests at a time


def write(pod: Pod, plan: JobPlan, *, root: Path, token: str, site: JobSite) -> PodDirectory:
    """Write everything the pod's job needs. A directory that no job has claimed yet is replaced.

    :param root: ``DataRootFolder``, where it is made
    :param token: of this submission; goes into the script
    :raises UnsupportedPod: an environment variable or a path of the pod cannot be handed on
    :raises JobFilesError: the disk is full, or the folder not writable, or a job has claimed the pod already
    """
    directory = PodDirectory.of(root, namespace=pod.namespace, uid=pod.uid)
    files = _files(pod, plan, directory, token, site)
    beside = _beside(directory.root, _NEW)
    try:
        _write_all(beside, files, _folders(pod, site))
        _put_in_place(beside, directory)
        _sync(root)
    except OSError as error:
        raise _files_error(f"The job's directory {directory.root} cannot be written", error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return directory


def mark_deleted(directory: PodDirectory) -> None:
    """From now on no job starts this pod, also one that Slurm has but that could not be cancelled.

    :raises JobFilesError: the mark cannot be written
    """
    try:
        if directory.root.is_dir():
            directory.deleted.touch(mode=0o600)
    except OSError as error:
        raise _files_error(f"The pod's directory {directory.root} cannot be marked as deleted", error) from error


def set_grace(directory: PodDirectory, seconds: int) -> None:
    """Tell the job how long its containers may take to end, before it is told to stop.

    :raises JobFilesError: it cannot be written
    """
    try:
        if directory.root.is_dir():
            directory.grace.write_text(f"{seconds}\n", encoding="ascii")
    except OSError as error:
        raise _files_error(f"The grace period {directory.grace} cannot be written", error) from error


def remove(directory: PodDirectory) -> None:
    """Remove the directory with its secrets, logs and emptyDirs; it need not exist.

    :raises JobFilesError: something in it does not belong to this user
    """
    aside = _beside(directory.root, _GONE)
    try:
        directory.root.rename(aside)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _files_error(f"The pod's directory {directory.root} cannot be removed", error) from error
    _remove_tree(aside)


def remove_abandoned(root: Path) -> None:
    """Remove what a sidecar that was killed had half written or half removed; call it before any :func:`write`.

    :raises JobFilesError: something in it does not belong to this user
    """
    for prefix in ABANDONED_PREFIXES:
        for path in root.glob(f"{prefix}*"):
            _remove_tree(path)


def _files(pod: Pod, plan: JobPlan, directory: PodDirectory, token: str, site: JobSite) -> list[PodFile]:
    text = script.render(pod, plan, directory=directory, token=token, site=site)
    job_script = PodFile(PurePosixPath(directory.script.name), text.encode(), 0o600)
    return [job_script, *(pod_files(pod, plan) if site.shared_fs else ())]


def _folders(pod: Pod, site: JobSite) -> list[str]:
    """Folders there must be although nothing is in them yet."""
    volumes = [v.name for v in pod.volumes if isinstance(v, FilesVolume)] if site.shared_fs else []
    return ["logs", *(f"volumes/{name}" for name in volumes)]


def _beside(path: Path, prefix: str) -> Path:
    return path.with_name(f"{prefix}{path.name}-{secrets.token_hex(4)}")


def _write_all(root: Path, files: Iterable[PodFile], folders: Iterable[str]) -> None:
    """First all writes, then the waits for the disk.

    New folders are not waited for one by one: file systems commit their changes in order, so forcing the rename to
    disk, last of all, takes the folders with it; each wait saved is a large part of what ``/create`` takes.
    """
    made: dict[Path, None] = {}
    _make_folder(root, root, made)
    for folder in folders:
        _make_folder(root / folder, root, made)
    pending = list(files)
    while pending:
        batch, pending = pending[:_OPEN_AT_ONCE], pending[_OPEN_AT_ONCE:]
        with ExitStack() as stack:
            descriptors = [_write_file(root, file, made, stack) for file in batch]
            for descriptor in descriptors:
                os.fsync(descriptor)


def _make_folder(path: Path, root: Path, made: dict[Path, None]) -> None:
    if path in made:
        return
    if path != root:
        _make_folder(path.parent, root, made)
    path.mkdir(mode=0o700)
    made[path] = None


def _write_file(root: Path, file: PodFile, made: dict[Path, None], stack: ExitStack) -> int:
    path = root / file.path
    _make_folder(path.parent, root, made)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    stack.callback(os.close, descriptor)
    rest = memoryview(file.content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fchmod(descriptor, file.mode)
    return descriptor


def _put_in_place(beside: Path, directory: PodDirectory) -> None:
    """:raises JobFilesError: a job has claimed the directory that is there already"""
    aside = _beside(directory.root, _GONE)
    try:
        directory.root.rename(aside)
    except FileNotFoundError:
        beside.rename(directory.root)
        return
    # Looked at only now: in its old place a job could still have claimed it.
    if (aside / directory.claim.name).exists():
        aside.rename(directory.root)
        raise JobFilesError(
            f"A job has claimed {directory.root} already, although there is no record of the pod; "
            "look at the files in it, and remove it if that job has ended."
        )
    beside.rename(directory.root)
    _remove_tree(aside)


def _remove_tree(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except PermissionError:
        _open_folders(path)
        shutil.rmtree(path, ignore_errors=True)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)  # such as files that a dying job still makes
    if path.exists():
        raise JobFilesError(f"{path} cannot be removed: something in it belongs to another user; remove it by hand.")


def _open_folders(top: Path) -> None:
    """Let the owner into every folder below; containers leave read-only ones. Never follows a link."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        _open_folder(folder)
        try:
            with os.scandir(folder) as entries:
                waiting += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue  # it stays, and the caller says so


def _open_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        Path(f"/proc/self/fd/{descriptor}").chmod(0o700)
    except OSError:
        return  # another user's
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files_error(what: str, error: OSError) -> JobFilesError:
    reason = error.strerror or type(error).__name__
    return JobFilesError(f"{what}: {reason}. See to it that DataRootFolder has room and belongs to the sidecar's user.")
