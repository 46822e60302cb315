"""How often the kernel killed something of this job for lack of memory."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


def memory_kills(root: str = "") -> "Optional[int]":
    """The count of the memory group that this process is in; ``None`` where the kernel does not tell.

    :param root: stands before ``/proc`` and ``/sys``

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.events) and
    https://docs.kernel.org/admin-guide/cgroup-v1/memory.html (memory.oom_control)
    """
    try:
        with open(root + "/proc/self/cgroup") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if "memory" in controllers.split(","):
            path = f"{root}/sys/fs/cgroup/memory{group}/memory.oom_control"
        elif not controllers:
            path = f"{root}/sys/fs/cgroup{group}/memory.events"
        else:
            continue
        count = _count_in(path)
        if count is not None:
            return count
    return None


def _count_in(path: str) -> "Optional[int]":
    try:
        with open(path) as file:
            for line in file:
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    except (OSError, ValueError):
        pass
    return None
