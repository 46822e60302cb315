"""Doing something as one of a container's processes.

Source: https://man7.org/linux/man-pages/man2/setns.2.html. Only what runs in a user namespace of ours can be joined.
"""

import os

from sidecar.runner.system import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Sequence

_KINDS = ("user", "mnt", "pid", "net", "ipc", "uts")


def join(pid: int, directory_of: int) -> None:
    """Make this process, which must be a child of its own, one of the namespaces of another.

    What it forks from now on is in the other's process namespace as well.

    :param pid: the container's own process
    :param directory_of: the process whose working directory it takes
    :raises OSError: the kernel refuses, or it has ended
    """
    spaces = []
    for kind in _KINDS:
        theirs, ours = f"/proc/{pid}/ns/{kind}", f"/proc/self/ns/{kind}"
        if os.stat(theirs).st_ino != os.stat(ours).st_ino:
            spaces.append((kind, os.open(theirs, os.O_RDONLY)))
    # Never on the node itself, should another process have come to have the number meanwhile.
    if not any(kind == "mnt" for kind, _ in spaces):
        raise ProcessLookupError(3, "the container's process has ended")
    # Only looked up, not opened: a file system of the container may refuse everybody outside of it.
    directory = os.open(f"/proc/{directory_of}/cwd", os.O_PATH | os.O_DIRECTORY)
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY)
    for _, descriptor in spaces:
        libc.enter_namespace(descriptor)
    os.fchdir(root)
    if not os.path.samestat(os.fstat(root), os.stat("/")):
        os.chroot(".")
    os.fchdir(directory)


def environment_of(pid: int) -> "Dict[bytes, bytes]":
    """What a process began with."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        entries = file.read().split(b"\0")
    return dict(entry.partition(b"=")[::2] for entry in entries if entry)


def execute(argv: "Sequence[str]", environment: "Dict[bytes, bytes]") -> "None":
    """Become this program, looked for on the PATH of its own environment.

    :raises OSError: there is none
    """
    if "/" in argv[0]:
        os.execve(argv[0], list(argv), environment)
    path = os.fsdecode(environment.get(b"PATH", b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
    failure: "OSError" = FileNotFoundError(2, "executable file not found in $PATH")
    for folder in path.split(":"):
        try:
            os.execve(os.path.join(folder, argv[0]), list(argv), environment)
        except FileNotFoundError:
            continue
        except OSError as error:
            failure = error
    raise failure
