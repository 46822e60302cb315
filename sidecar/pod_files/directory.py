"""Writing and removing the directory of a pod.

It appears whole or not at all: everything is written beside its place, forced to disk, and renamed. It is the only
place of the pod's secrets, so what ``/create`` has answered for must survive a power cut.

It belongs to the user whose job it is. The folder it is in belongs to the daemon's own user, who alone makes, renames
and removes entries there; all that is below is touched as its owner, see :mod:`sidecar.system.users`.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath

from sidecar.domain.plan import JobPlan
from sidecar.domain.pod import FilesVolume, Pod
from sidecar.domain.users import JobUser
from sidecar.errors import JobFilesError
from sidecar.pod_files import script, supervisor
from sidecar.pod_files.contents import PodFile, pod_files
from sidecar.pod_files.paths import ABANDONED_PREFIXES, PodDirectory
from sidecar.pod_files.site import JobSite
from sidecar.system.users import acting_as_owner_of

_NEW, _GONE = ABANDONED_PREFIXES
_OPEN_AT_ONCE = 64  # far below the usual limit of 1024 descriptors, with several requests at a time


def write(
    pod: Pod, plan: JobPlan, *, root: Path, token: str, site: JobSite, user: JobUser | None = None
) -> PodDirectory:
    """Write everything the pod's job needs. A directory that no job has claimed yet is replaced.

    :param root: ``DataRootFolder``, where it is made
    :param token: of this submission; goes into the script
    :param user: whose it shall be, where that is not the daemon's own user
    :raises UnsupportedPod: an environment variable or a path of the pod cannot be handed on
    :raises JobFilesError: the disk is full, or the folder not writable, or a job has claimed the pod already
    """
    directory = PodDirectory.of(root, namespace=pod.namespace, uid=pod.uid)
    if site.shared_fs:
        supervisor.install(root)
    files = _files(pod, plan, directory, token, site)
    beside = _beside(directory.root, _NEW)
    try:
        _make_root(beside, user)
        with acting_as_owner_of(beside):
            _write_all(beside, files, _folders(pod, site))
        if site.shared_fs:
            supervisor.keep_for(beside, root)
        _put_in_place(beside, directory)
        _sync(root)
    except OSError as error:
        raise _files_error(f"The job's directory {directory.root} cannot be written", error) from error
    finally:
        with suppress(JobFilesError):
            _remove_tree(beside)
    return directory


def prepare_cache(root: Path, user: JobUser) -> None:
    """Make the user's own folder for images: what another user has fetched is not trusted.

    :param root: ``DataRootFolder``
    :raises JobFilesError: it cannot be made
    """
    folder = PodDirectory.images_of(root, user.uid)
    try:
        for place, mode in ((folder.parent, 0o711), (folder, 0o700)):
            with suppress(FileExistsError):
                place.mkdir()
                place.chmod(mode)
        if folder.parent.lstat().st_uid != os.geteuid():
            raise PermissionError(1, f"{folder.parent} belongs to another user; remove it")
        os.chown(folder, user.uid, user.gid, follow_symlinks=False)
    except OSError as error:
        raise _files_error(f"The folder for images {folder} cannot be made", error) from error


def holds(directory: PodDirectory, path: Path) -> bool:
    """Whether there is anything at a path below the pod's directory."""
    try:
        with acting_as_owner_of(directory.root):
            return os.path.lexists(path)
    except OSError:
        return False


def mark_deleted(directory: PodDirectory) -> None:
    """From now on no job starts this pod, also one that Slurm has but that could not be cancelled.

    :raises JobFilesError: the mark cannot be written
    """
    with _telling(f"The pod's directory {directory.root} cannot be marked as deleted"):
        _write_mark(directory, directory.deleted, b"")


def set_grace(directory: PodDirectory, seconds: int) -> None:
    """Tell the job how long its containers may take to end, before it is told to stop.

    :raises JobFilesError: it cannot be written
    """
    with _telling(f"The grace period {directory.grace} cannot be written"):
        _write_mark(directory, directory.grace, f"{seconds}\n".encode())


@contextmanager
def _telling(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        return  # no directory, no job
    except OSError as error:
        raise _files_error(what, error) from error


def _write_mark(directory: PodDirectory, path: Path, content: bytes) -> None:
    """The job's containers may have put anything in its place: no link is followed, and no pipe waited for."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
    with acting_as_owner_of(directory.root):
        descriptor = os.open(path, flags, 0o600)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)


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
    return [job_script, *(pod_files(pod, plan, site) if site.shared_fs else ())]


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
    made: dict[Path, None] = {root: None}
    for folder in folders:
        _make_folder(root / folder, made)
    pending = list(files)
    while pending:
        batch, pending = pending[:_OPEN_AT_ONCE], pending[_OPEN_AT_ONCE:]
        with ExitStack() as stack:
            descriptors = [_write_file(root, file, made, stack) for file in batch]
            for descriptor in descriptors:
                os.fsync(descriptor)


def _make_root(path: Path, user: JobUser | None) -> None:
    path.mkdir(mode=0o700)
    if user is not None:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def _make_folder(path: Path, made: dict[Path, None]) -> None:
    if path in made:
        return
    _make_folder(path.parent, made)
    path.mkdir(mode=0o700)
    made[path] = None


def _write_file(root: Path, file: PodFile, made: dict[Path, None], stack: ExitStack) -> int:
    path = root / file.path
    _make_folder(path.parent, made)
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
    with acting_as_owner_of(aside):
        claimed = os.path.lexists(aside / directory.claim.name)
    if claimed:
        aside.rename(directory.root)
        raise JobFilesError(
            f"A job has claimed {directory.root} already, although there is no record of the pod; "
            "look at the files in it, and remove it if that job has ended."
        )
    beside.rename(directory.root)
    _remove_tree(aside)


def _remove_tree(path: Path) -> None:
    """Never follows a link: https://docs.python.org/3/library/shutil.html, ``rmtree.avoids_symlink_attacks``."""
    with suppress(FileNotFoundError, PermissionError), acting_as_owner_of(path):
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():  # folders that nobody may enter, or files that a dying job still makes
            _open_folders(path)
            shutil.rmtree(path, ignore_errors=True)
    try:
        path.rmdir()  # only its folder's owner can
    except FileNotFoundError:
        return
    except OSError as error:
        raise JobFilesError(
            f"{path} cannot be removed: something in it belongs to another user; remove it by hand."
        ) from error


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
