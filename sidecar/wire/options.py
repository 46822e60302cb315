"""The annotations by which a pod speaks to the sidecar.

Source: https://github.com/interlink-hq/interlink-slurm-plugin#annotations
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from sidecar.domain.downward import POD_IP_ANNOTATION
from sidecar.domain.pod import JobOptions
from sidecar.domain.shell_text import as_lines, split_words
from sidecar.errors import UnsupportedPod

PREFIX = "slurm-job.vk.io/"
OLD_PREFIX = "slurm-job.knoc.io/"
_KNOWN = {
    "flags", "flavor", "pre-exec", "image-root", "mpi-flags",
    "singularity-commands", "singularity-mounts", "singularity-options", "enroot-mounts", "enroot-options",
}  # fmt: skip


def read(annotations: Mapping[str, str], runtime: str = "singularity") -> tuple[JobOptions, tuple[str, ...]]:
    """The pod's options, and what its history should say about how they were read.

    :param runtime: the site's, ``singularity`` or ``enroot``; what is meant for the other one is passed over
    :raises UnsupportedPod: an annotation is misspelt or its text cannot be split into words
    """
    ours, notes = _ours(annotations)
    other = "singularity" if runtime == "enroot" else "enroot"
    site = "Enroot" if runtime == "enroot" else "Apptainer"
    notes += [
        f"annotation {PREFIX}{key} ignored: this site runs {site}"
        for key in ours
        if key in (f"{other}-mounts", f"{other}-options")
    ]
    options = JobOptions(
        flags=_words(ours, "flags"),
        flavor=ours.get("flavor", "").strip(),
        pre_exec=as_lines(ours.get("pre-exec", "")),
        image_root=ours.get("image-root", "").strip(),
        mpi_flags=_mpi_flags(ours),
        runtime_commands=_one_line(ours, "singularity-commands"),
        runtime_mounts=_mounts(ours, runtime),
        runtime_options=_words(ours, f"{runtime}-options"),
        pod_ip=annotations.get(POD_IP_ANNOTATION, "").strip(),
        tunnel_commands=as_lines(annotations.get("interlink.eu/wstunnel-client-commands", "")),
    )
    return options, tuple(notes)


def _ours(annotations: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    notes = []
    for name, text in annotations.items():
        if name.startswith(OLD_PREFIX):
            notes.append(f"annotation {name} is an old name; use {PREFIX}{name.removeprefix(OLD_PREFIX)}")
            values.setdefault(_key(name, OLD_PREFIX), text)
        elif name.startswith(PREFIX):
            values[_key(name, PREFIX)] = text
    return values, notes


def _key(name: str, prefix: str) -> str:
    key = name.removeprefix(prefix)
    if key in _KNOWN:
        return key
    near = difflib.get_close_matches(key, _KNOWN, n=1)
    hint = f"; did you mean {PREFIX}{near[0]}?" if near else f"; known are {', '.join(sorted(_KNOWN))}"
    raise UnsupportedPod(f"annotation {name} is not known{hint}")


def _words(values: Mapping[str, str], key: str) -> tuple[str, ...]:
    try:
        return tuple(split_words(values.get(key, "")))
    except ValueError as error:
        raise UnsupportedPod(f"annotation {PREFIX}{key}: {error}: {values[key]!r}") from error


def _mpi_flags(values: Mapping[str, str]) -> tuple[str, ...] | None:
    if "mpi-flags" not in values:
        return None
    words = _words(values, "mpi-flags")
    return () if words == ("true",) else words


def _mounts(values: Mapping[str, str], runtime: str) -> tuple[str, ...]:
    """``singularity-mounts`` holds ``--bind SRC:DST`` words, ``enroot-mounts`` ``--mount``, or just ``SRC:DST``."""
    words = [re.sub("^--(bind|mount)=", "", word) for word in _words(values, f"{runtime}-mounts")]
    return tuple(f"--bind={word}" for word in words if word not in ("--bind", "-B", "--mount", "-m"))


def _one_line(values: Mapping[str, str], key: str) -> str:
    text = values.get(key, "").strip()
    if "\n" in text:
        raise UnsupportedPod(f"annotation {PREFIX}{key}: must be one line")
    return text
