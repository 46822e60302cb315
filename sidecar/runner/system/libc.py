"""Calls of the kernel that older Pythons have no function for."""

import ctypes
import os

from sidecar.runner.system import signals

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWUSER = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Processes below this one that lose their parent become its children, so that none is overlooked.

    Source: https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
    """
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """This process is killed when its parent is gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, signals.SIGKILL, 0, 0, 0)


def enter_namespace(descriptor: int) -> None:
    """Join the namespace behind an open ``/proc/PID/ns/...``.

    :raises OSError: the kernel refuses
    """
    if _libc.setns(descriptor, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def leave_user_namespace() -> int:
    """Let this process have a user namespace of its own; 0, or the error's number."""
    return 0 if _libc.unshare(_CLONE_NEWUSER) == 0 else ctypes.get_errno()
