"""The job's own folder on its node: ``slurm-sidecar.HOST.PID.RANDOM`` in TMPDIR, made by the batch script."""

import os

from sidecar.runner.system.folders import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

PREFIX = "slurm-sidecar."


def remove_abandoned(parent: str) -> None:
    """Remove what this user's jobs have left whose first process was killed on this node."""
    host = os.uname().nodename
    for name in os.listdir(parent):
        pid = _pid_in(name, host)
        path = os.path.join(parent, name)
        if pid is not None and not os.path.exists(f"/proc/{pid}") and os.lstat(path).st_uid == os.getuid():
            remove_tree(path)


def _pid_in(name: str, host: str) -> "Optional[int]":
    """The process whose folder it is; ``None`` for another host's, and for everything else."""
    if not name.startswith(f"{PREFIX}{host}."):
        return None
    pid = name[len(PREFIX) + len(host) + 1 :].partition(".")[0]
    return int(pid) if pid.isdigit() else None
