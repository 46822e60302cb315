"""What jobs need in the data folder beside their pods' directories: the supervisor, bells, and folders for images."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog

from sidecar.domain.users import JobUser
from sidecar.errors import JobFilesError
from sidecar.pod_files import bells, directory, supervisor
from sidecar.runner.contract import layout

log = structlog.get_logger(__name__)

FOLDERS = (layout.SUPERVISORS, layout.BELLS, layout.IMAGES)


def prepare(data_root: Path, others: Iterable[JobUser]) -> None:
    """Make everything at the daemon's start; what cannot be made or removed is logged, but for the supervisor.

    :param others: users whose jobs the daemon will submit, where it is root
    :raises JobFilesError: the supervisor cannot be written, so that no job could run
    """
    supervisor.install(data_root)
    for user in (None, *others):
        try:
            prepare_for(data_root, user)
        except JobFilesError as error:
            log.warning("a user's jobs lack a place in DataRootFolder", reason=str(error))
    try:
        supervisor.remove_unneeded(data_root)
    except JobFilesError as error:
        log.warning("old supervisors stay in DataRootFolder", reason=str(error))


def prepare_for(data_root: Path, user: JobUser | None) -> None:
    """Make what one user's jobs need.

    :param user: ``None``: the daemon's own
    :raises JobFilesError: it cannot be made
    """
    if user is None:
        bells.prepare(data_root, os.geteuid(), os.getegid())
        return
    directory.prepare_cache(data_root, user)
    bells.prepare(data_root, user.uid, user.gid)


def problems(data_root: Path, uid: int) -> Iterator[str]:
    """What keeps the daemon from using those of the folders that are there, one sentence each.

    :param uid: the daemon's user
    """
    for name in FOLDERS:
        folder = data_root / name
        try:
            status = folder.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            yield f"{folder} cannot be looked at: {error.strerror}"
            continue
        if not stat.S_ISDIR(status.st_mode):
            yield f"{folder} is not a folder; remove it"
        elif status.st_uid != uid:
            yield (
                f"{folder} belongs to user {status.st_uid}, and the sidecar is user {uid}; "
                "remove it or change its owner"
            )
