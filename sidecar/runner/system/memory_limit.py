"""How much memory the kernel lets this job have."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Optional


def memory_limit(root: str = "") -> "Optional[int]":
    """The bytes that all processes of this one's memory group may use; ``None`` where nothing limits them.

    :param root: stands before ``/proc`` and ``/sys``

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.max) and
    https://docs.kernel.org/admin-guide/cgroup-v1/memory.html (hierarchical_memory_limit)
    """
    limits = [limit for limit in _limits(root) if limit < _memory_of_node()]
    return min(limits) if limits else None


def _memory_of_node() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _limits(root: str) -> "Iterator[int]":
    for line in _lines(root + "/proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield from _limits_v1(f"{root}/sys/fs/cgroup/memory{group}")
        elif not controllers:
            yield from _limits_v2(f"{root}/sys/fs/cgroup", group)


def _limits_v1(folder: str) -> "Iterator[int]":
    for line in _lines(folder + "/memory.stat"):
        name, _, value = line.partition(" ")
        if name == "hierarchical_memory_limit" and value.isdigit():
            yield int(value)


def _limits_v2(mount: str, group: str) -> "Iterator[int]":
    """The limits of the group and of all above it, which hold for it too."""
    while group.strip("/"):
        for line in _lines(f"{mount}{group}/memory.max"):
            if line.isdigit():
                yield int(line)
        group = os.path.dirname(group)


def _lines(path: str) -> "List[str]":
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return []
