"""Other users: who they are, and touching files as one of them.

A daemon that runs as root reads and writes in directories that belong to the users whose jobs it submits, and who may
put links, hard links or pipes in any place there, at any moment. So root never acts there as root: for as long as it
takes, the thread's file system identity is the directory's owner, and the kernel itself sees to it that nothing is
read or changed that this user could not read or change without us.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.domain.users import JobUser
from sidecar.errors import UnknownUser

if TYPE_CHECKING:
    import ctypes


def lookup(uid: int, gid: int | None = None) -> JobUser:
    """A user by id, from the machine's user database (NSS).

    :param gid: the group to work with, one of the user's; by default the primary one
    :raises UnknownUser: there is no such user, or the user is not in that group
    """
    try:
        found = pwd.getpwuid(uid)
    except KeyError as error:
        raise UnknownUser(f"UID {uid} is not known where the sidecar runs: getent passwd {uid} finds nobody") from error
    groups = os.getgrouplist(found.pw_name, found.pw_gid)
    if gid is not None and gid not in groups:
        raise UnknownUser(f"user {found.pw_name} (UID {uid}) is not in group {gid}; leave runAsGroup out")
    return JobUser(
        uid=uid,
        gid=found.pw_gid if gid is None else gid,
        groups=tuple(groups),
        name=found.pw_name,
        home=found.pw_dir,
    )


def other_than(own_uid: int | None, uid: int | None, gid: int | None) -> JobUser | None:
    """The user that the daemon must become for this one's sake; ``None`` where it is that user.

    :raises UnknownUser: there is no such user
    """
    return None if uid in (None, own_uid) else lookup(uid, gid)


def may_enter(folder: Path, user: JobUser) -> bool:
    """Whether the user gets to what is in a folder."""
    with acting_as(user.uid, user.gid):
        try:
            (folder / ".").stat()
        except PermissionError:
            return False
        return True


def weakness(folder: Path) -> str:
    """Why others than root can put something else in a folder's place or into it, or ``""``. The folder exists."""
    real = folder.resolve()
    for place in (real, *real.parents):
        status = place.stat()
        if status.st_uid != 0:
            return f"{place} belongs to user {status.st_uid}"
        if status.st_mode & 0o022 and (place == real or not status.st_mode & stat.S_ISVTX):
            return f"{place} can be written by others (mode {stat.S_IMODE(status.st_mode):o})"
    return ""


@contextmanager
def acting_as_owner_of(root: Path) -> Iterator[None]:
    """Touch files as the owner of a pod's directory; without effect where the owner is the daemon's own user.

    Only this thread changes, and only what file systems check, so nothing may be awaited or yielded meanwhile.

    :param root: a directory that lies in a folder of root's, so that nobody else has put it there
    :raises FileNotFoundError: there is no such directory

    Source: https://man7.org/linux/man-pages/man2/setfsuid.2.html and capabilities(7), "Effect of user ID changes":
    with the identity, the thread loses every capability that overrides a file's permissions.
    """
    if os.geteuid() != 0 or (owner := root.lstat()).st_uid == 0:
        yield
        return
    with acting_as(owner.st_uid, owner.st_gid):
        yield


@contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Touch files as this user, and no other group than this one; only root can."""
    before = _identity()
    try:
        _become(uid, gid)
        yield
    finally:
        _become(*before)


def _become(uid: int, gid: int) -> None:
    _libc().setfsgid(gid)
    _libc().setfsuid(uid)
    if _identity() != (uid, gid):  # the calls themselves report no errors
        raise PermissionError(1, f"this process may not touch files as user {uid}")


def _identity() -> tuple[int, int]:
    """Asked for what cannot be, the calls only answer what is."""
    return _libc().setfsuid(_NOBODY), _libc().setfsgid(_NOBODY)


_NOBODY = 2**32 - 1


@cache
def _libc() -> ctypes.CDLL:
    import ctypes

    os.setgroups([])  # root's own groups would count besides
    libc = ctypes.CDLL(None)
    for function in (libc.setfsuid, libc.setfsgid):
        function.argtypes, function.restype = [ctypes.c_uint], ctypes.c_uint
    return libc
