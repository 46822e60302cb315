"""A sentence for failures whose cause lies in how containers run here, and not in the program."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


def advice(log_end: str, is_writable: bool, uid: "Optional[int]" = None) -> str:
    """What helps, where the end of a failed container's log shows that it could not write; else empty.

    :param is_writable: whether the container has a writable layer over its image
    :param uid: the job's user
    """
    if "Read-only file system" in log_end and not is_writable:
        return "the log ends with a write to the image, which is read-only here; mount an emptyDir over that folder"
    if "Permission denied" in log_end or "EACCES" in log_end:
        user = os.getuid() if uid is None else uid
        return (
            f"the log ends with 'Permission denied': the container runs as UID {user}, the job's user, and the image's "
            "folders belong to others; mount an emptyDir over a folder that must be written"
        )
    return ""
