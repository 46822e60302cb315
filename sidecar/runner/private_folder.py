"""The job's own folder on its node: ``slurm-sidecar.HOST.PID.RANDOM`` in TMPDIR.

Where shell text runs before the supervisor, the batch script has made it already.
"""

import os

from sidecar.runner.system.folders import make_folder, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

PREFIX = "slurm-sidecar."


_OTHER_PLACE = "/tmp"  # noqa: S108


def make_private(wanted: str) -> str:
    """Make the folder, with the ``tmp`` in it that is the job's TMPDIR.

    :param wanted: TMPDIR of the job; where it is missing or full, ``/tmp`` does
    :raises OSError: there is no place for it
    """
    name = f"{PREFIX}{os.uname().nodename}.{os.getpid()}"
    try:
        return _make(os.path.join(wanted, name))
    except OSError:
        return _make(os.path.join(_OTHER_PLACE, name))


def _make(prefix: str) -> str:
    """All of it or, where there is room for one folder only, nothing."""
    folder = make_folder(prefix)
    try:
        os.mkdir(os.path.join(folder, "tmp"), 0o700)
    except OSError:
        os.rmdir(folder)
        raise
    return folder


def remove_abandoned(parent: str) -> None:
    """Remove what this user's jobs have left whose first process was killed on this node."""
    host = os.uname().nodename
    for name in _names_in(parent):
        pid = _pid_in(name, host)
        path = os.path.join(parent, name)
        if pid is not None and not os.path.exists(f"/proc/{pid}") and _is_own(path):
            remove_tree(path)


def _names_in(folder: str) -> "List[str]":
    try:
        return os.listdir(folder)
    except OSError:
        return []  # it need not be one that this user can read, and it may be gone with the job's other files


def _is_own(path: str) -> bool:
    """Whether it is this user's; not if its own job, which ends this moment, has just removed it."""
    try:
        return os.lstat(path).st_uid == os.getuid()
    except FileNotFoundError:
        return False


def _pid_in(name: str, host: str) -> "Optional[int]":
    """The process whose folder it is; ``None`` for another host's, and for everything else."""
    if not name.startswith(f"{PREFIX}{host}."):
        return None
    pid = name[len(PREFIX) + len(host) + 1 :].partition(".")[0]
    return int(pid) if pid.isdigit() else None
