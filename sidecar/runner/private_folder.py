"""The job's own folder on its node: ``slurm-sidecar.HOST.PID.RANDOM`` in TMPDIR, made by the batch script."""

import os
import shutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

PREFIX = "slurm-sidecar."


def remove(path: str) -> None:
    """Remove a folder; containers may have left folders in it that nobody can enter."""
    try:
        shutil.rmtree(path)
    except OSError:
        _make_removable(path)
        shutil.rmtree(path, ignore_errors=True)


def _make_removable(path: str) -> None:
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                try:
                    os.chmod(inner, 0o700)
                except OSError:
                    pass


def remove_abandoned(parent: str) -> None:
    """Remove what this user's jobs have left whose first process was killed on this node."""
    host = os.uname().nodename
    for name in os.listdir(parent):
        pid = _pid_in(name, host)
        path = os.path.join(parent, name)
        if pid is not None and not os.path.exists(f"/proc/{pid}") and os.lstat(path).st_uid == os.getuid():
            remove(path)


def _pid_in(name: str, host: str) -> "Optional[int]":
    """The process whose folder it is; ``None`` for another host's, and for everything else."""
    if not name.startswith(f"{PREFIX}{host}."):
        return None
    pid = name[len(PREFIX) + len(host) + 1 :].split(".")[0]
    return int(pid) if pid.isdigit() else None
