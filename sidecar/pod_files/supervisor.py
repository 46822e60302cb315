"""The supervisor as one file: packed once, kept under the digest of its content, and removed when no job needs it.

Jobs in the queue keep the version with which they were submitted: each pod's directory holds another name of its
supervisor's file, so a file with one name left is needed by nobody.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import stat
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import structlog

from sidecar.errors import JobFilesError
from sidecar.runner.contract import layout

log = structlog.get_logger(__name__)

USUAL_PYTHONS = ("/usr/bin/python3", "/usr/libexec/platform-python")
"""What systems have without any module: Debian's and SUSE's, and Enterprise Linux's own."""
_MOMENT = (1980, 1, 1, 0, 0, 0)
"""The same content has the same digest, whenever it is packed."""


@cache
def packed() -> bytes:
    """The supervisor, as Python runs it: a zip file with a ``__main__``."""
    root = Path(layout.__file__).parents[1]  # found, not imported: none of it runs here
    buffer = io.BytesIO()
    # Stored as it is: to read compressed modules costs each job more than the file's size.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("sidecar/__init__.py", _MOMENT), b"")
        for file in sorted(root.rglob("*.py")):
            name = Path("sidecar", "runner", file.relative_to(root))
            archive.writestr(zipfile.ZipInfo(str(name), _MOMENT), file.read_bytes())
        archive.writestr(zipfile.ZipInfo("__main__.py", _MOMENT), Path(root, "__main__.py").read_bytes())
    return buffer.getvalue()


@cache
def _digest() -> str:
    return hashlib.sha256(packed()).hexdigest()[:16]


def place(data_root: Path) -> Path:
    """Where the supervisor of this version is kept."""
    return Path(layout.supervisor(str(data_root), _digest()))


def install(data_root: Path) -> None:
    """Put it into its place, where jobs of all users can read it.

    :raises JobFilesError: it cannot be written
    """
    path = place(data_root)
    try:
        _prepare_folder(path.parent)
        if not _is_own_file(path):
            _write(path)
    except OSError as error:
        raise JobFilesError(
            f"The supervisor {path} cannot be written: {error.strerror}. Make sure that DataRootFolder exists, has "
            "free space and belongs to the sidecar's user."
        ) from error


def _prepare_folder(folder: Path) -> None:
    """Whoever can write there decides what the jobs of all users run."""
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o711)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(
            errno.EPERM, f"{folder} is not a folder that only the sidecar's user can write; remove it"
        )


def _is_own_file(path: Path) -> bool:
    """Whether it is there; also a daemon that was started by another user may have left it."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()


def _write(path: Path) -> None:
    beside = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            file.write(packed())
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o444)
        beside.rename(path)
    finally:
        beside.unlink(missing_ok=True)


def keep_for(directory: Path, data_root: Path) -> None:
    """Let a pod's directory hold on to the supervisor; where the file system has no hard links, nothing is removed."""
    try:
        os.link(place(data_root), directory / layout.SUPERVISOR)
    except OSError as error:
        log.debug("the supervisor has no second name", reason=error.strerror)
        _keep_for_ever(data_root)


def _keep_for_ever(data_root: Path) -> None:
    marker = place(data_root).with_suffix(".keep")
    if not marker.exists():
        marker.touch()


def compile_calls(data_root: Path, runner_python: str) -> list[list[str]]:
    """The calls that keep compiled code of it, for each Python that jobs use and this machine has as well; none where
    there is such code already.
    """
    if list(place(data_root).parent.glob(f"{place(data_root).stem}.*.zip")):
        return []
    pythons = [runner_python] if runner_python else USUAL_PYTHONS
    return [[p, "-I", "-S", str(place(data_root)), "compile"] for p in pythons if os.access(p, os.X_OK)]


def remove_unneeded(data_root: Path) -> None:
    """Remove the supervisors of other versions that no pod needs any more.

    :raises JobFilesError: one cannot be removed
    """
    current = place(data_root)
    for path in current.parent.glob("*.pyz"):
        if path != current and path.lstat().st_nlink == 1 and not path.with_suffix(".keep").exists():
            _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink()
        for compiled in path.parent.glob(f"{path.stem}.*.zip"):
            compiled.unlink()
    except OSError as error:
        raise JobFilesError(f"The old supervisor {path} cannot be removed: {error.strerror}") from error
