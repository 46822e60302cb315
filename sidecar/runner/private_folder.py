"""The job's own folder on its node: ``slurm-sidecar.HOST.PID.RANDOM`` in TMPDIR, made by the batch script."""

import os

from sidecar.runner.system.folders import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

PREFIX = "slurm-sidecar."


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
