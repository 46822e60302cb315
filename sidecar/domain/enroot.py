"""What a pod can ask of Apptainer and not of Enroot."""

from __future__ import annotations

import re

from sidecar.domain.pod import Pod
from sidecar.errors import UnsupportedPod

MOUNTING = frozenset({"-m", "--mount", "-c", "--conf", "--rc"})
"""Options that show a container something of the node, or run a script there.

Source: https://github.com/NVIDIA/enroot/blob/main/doc/cmd/start.md
"""


_CARRIED = re.compile("[A-Za-z_][A-Za-z0-9_]*")
"""Source: https://github.com/NVIDIA/enroot/blob/main/src/common.sh, ``common::envfmt``."""


def check(pod: Pod) -> None:
    """Refuse what Enroot would change in silence.

    :raises UnsupportedPod: a variable that its files cannot carry, or MPI, whose descriptors it closes
    """
    if pod.options.mpi_flags is not None:
        raise UnsupportedPod(
            "annotation slurm-job.vk.io/mpi-flags: this site runs Enroot, which MPI cannot start ranks with"
        )
    for container in pod.containers:
        for name, value in container.env:
            where = f"container {container.name}: environment variable {name}"
            if not _CARRIED.fullmatch(name):
                raise UnsupportedPod(
                    f"{where}: this site runs Enroot, which hands on only names of letters, digits and _"
                )
            if "\n" in value:
                raise UnsupportedPod(f"{where}: this site runs Enroot, which cannot hand on a value of several lines")
            if name.startswith("ENROOT_"):
                raise UnsupportedPod(f"{where}: this site runs Enroot, which keeps such names for itself")
