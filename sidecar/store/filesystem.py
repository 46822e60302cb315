"""What kind of file system a path is on."""

from __future__ import annotations

import re
from pathlib import Path

_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.sshfs", "gfs2", "gpfs", "lustre", "nfs", "nfs4", "ocfs2",
    "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "wekafs", "fuse.glusterfs", "fuse.ceph", "fuse.beegfs",
}  # fmt: skip
_ESCAPED = re.compile(r"\\([0-7]{3})")
"""White space and backslashes in a mount point."""


def network_file_system(path: Path) -> str:
    """The type of the network file system that holds ``path``, or ``""`` for a local one.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    """
    mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    kind = type_of(path.resolve(), mountinfo)
    return kind if kind in _NETWORK else ""


def type_of(path: Path, mountinfo: str) -> str:
    """The type of the file system at the longest mount point above ``path``; of equal ones the last mounted."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
        if path.is_relative_to(point) and len(point) >= best:
            best, kind = len(point), after.split()[0]
    return kind
