"""The job's own folder on its node: ``slurm-sidecar.HOST.PID.RANDOM`` in TMPDIR.

Where shell text runs before the supervisor, the batch script has made it already.
"""

import os

from sidecar.runner.system.folders import make_folder, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

PREFIX = "slurm-sidecar."


_OTHER_PLACE = "/tmp"  # noqa: S108


def make_private(wanted: str) -> str:
    """Make the folder, with the ``tmp`` in it that is the job's TMPDIR.

    :param wanted: TMPDIR of the job; where it is missing or full, ``/tmp`` does
    :raises OSError: there is no place for it
    """
    name = f"{PREFIX}{os.uname().nodename}.{os.getpid()}"
    try:
        folder = make_folder(os.path.join(wanted, name))
    except OSError:
        folder = make_folder(os.path.join(_OTHER_PLACE, name))
    os.mkdir(os.path.join(folder, "tmp"), 0o700)
    return folder


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
