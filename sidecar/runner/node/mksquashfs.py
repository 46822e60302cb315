"""Keeping the program that builds an image within the job's memory.

mksquashfs takes a quarter of the *node's* memory, whatever its job may use: a pull in a job of 128 MiB is killed.
Apptainer passes limits on from apptainer.conf alone (APPTAINER_MKSQUASHFS_ARGS is for ``build``, not for ``pull``), but
it looks for the program on the PATH, in all versions: there it finds a script that adds the limits.

Source: https://github.com/apptainer/apptainer/blob/v1.4.5/internal/pkg/util/bin/bin.go and
https://github.com/plougher/squashfs-tools/blob/4.5.1/USAGE-4.5 (-mem, -processors)
"""

import os

from sidecar.runner.system import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Mapping

_NAME = "mksquashfs"
_SHARE = 4
"""What it may take of the job's memory is one part of so many; the rest is for the runtime, and for its own buffers."""
_MIN_MIB = 16
"""Less is refused by the program itself."""
_MIB_A_PROCESSOR = 128

_SCRIPT = """#!/bin/sh
# The limits of a job in place of those of the node; options that follow, such as the site's, count more.
limits='-processors {processors} -mem {mib}M'
case $1 in -*) limits= ;; esac
for word do
    shift
    case $word in -*)
        set -- "$@" $limits
        limits=
        ;;
    esac
    set -- "$@" "$word"
done
exec {program} "$@" $limits
"""


def limited(folder: str, environment: "Mapping[bytes, bytes]", memory: int) -> "Dict[bytes, bytes]":
    """Changes to an environment in which mksquashfs keeps to a job's memory; none where it cannot be arranged.

    :param folder: is made; it has to stay as long as the program may be started
    :param environment: of the runtime; what else is first on its PATH is not touched
    :param memory: of the job, in bytes
    :raises OSError: the folder cannot be written
    """
    path = environment.get(b"PATH", os.fsencode(os.defpath))
    program = processes.which(_NAME, os.fsdecode(path))
    if program == _NAME:
        return {}  # the runtime has one of its own, or none
    os.mkdir(folder, 0o700)
    script = os.path.join(folder, _NAME)
    _write_program(script, _script(program, memory))
    if not os.access(script, os.X_OK):
        return {}  # nothing may be executed on this file system
    return {b"PATH": os.fsencode(folder) + b":" + path}


def _script(program: str, memory: int) -> str:
    mib = memory // 2**20
    quoted = "'" + program.replace("'", "'\\''") + "'"
    return _SCRIPT.format(processors=_processors(mib), mib=max(_MIN_MIB, mib // _SHARE), program=quoted)


def _processors(mib: int) -> int:
    """Each processor takes buffers; the job's memory may be for fewer of them than the job has."""
    return max(1, min(len(os.sched_getaffinity(0)), mib // _MIB_A_PROCESSOR))


def _write_program(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
    with open(descriptor, "w", errors="surrogateescape") as file:
        file.write(text)
