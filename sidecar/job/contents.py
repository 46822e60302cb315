"""The secret files of a pod: what its containers get as environment, command, arguments and volumes.

Environment variables travel as shell assignments in a file of mode 0600, quoted by :func:`shlex.quote`, so that no
value is ever evaluated, and none is an argument of a process.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from sidecar.domain import devices, logins
from sidecar.domain.plan import JobPlan
from sidecar.domain.pod import Container, FilesVolume, Pod, VolumeFile
from sidecar.errors import UnsupportedPod
from sidecar.job import limits
from sidecar.job.lifecycle import lifecycle_text

_EXPORTABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Apptainer writes a container's variables into a script, which its own shell runs: there, any other name is a syntax
error that takes all variables with it (tried with 1.4). Passed on from the node's environment, in which no shell can
put such a name either, it would be lost wherever a shell runs the image's entrypoint.

Source: https://apptainer.org/docs/user/latest/environment_and_metadata.html
"""
_TAKEN_BY_RUNTIME = frozenset({"APPEND_PATH", "PREPEND_PATH"})
"""Apptainer reads these as orders to change PATH and does not pass them on.

Source: https://apptainer.org/docs/user/latest/environment_and_metadata.html#manipulating-path
"""


@dataclass(frozen=True, slots=True)
class PodFile:
    """One file below the pod's directory."""

    path: PurePosixPath
    content: bytes = field(repr=False)
    mode: int


def pod_files(pod: Pod, plan: JobPlan) -> list[PodFile]:
    """Everything the job needs beside its script.

    :raises UnsupportedPod: an environment variable cannot be passed on, or a volume's file has an unsafe path
    """
    return [*_container_files(plan), *_shell_files(pod), *_volume_files(pod)]


def _container_files(plan: JobPlan) -> Iterator[PodFile]:
    shares = devices.gpu_shares([planned.container for planned in plan.containers])
    for planned in plan.containers:
        container = planned.container
        path = PurePosixPath("containers", f"{container.name}.sh")
        yield PodFile(path, container_text(container, shares.get(container.name)), 0o600)
        if lifecycle := lifecycle_text(container):
            yield PodFile(path.with_suffix(".lifecycle.sh"), lifecycle, 0o600)
        if planned.login:
            yield PodFile(login_path(container.name), logins.as_config(planned.login, planned.image), 0o600)


def login_path(container: str) -> PurePosixPath:
    """The login for a container's registry, as the runtime reads it; secret."""
    return PurePosixPath("containers", f"{container}.auth.json")


def _shell_files(pod: Pod) -> Iterator[PodFile]:
    """Shell texts that hold secrets: interLink's tunnel commands their password, a job's script the environment."""
    if pod.options.tunnel_commands:
        yield PodFile(PurePosixPath("tunnels.sh"), _text(pod.options.tunnel_commands, "tunnel commands"), 0o600)
    if pod.job_script:
        yield PodFile(PurePosixPath("jobscript", "script"), _text(pod.job_script, "jobScript"), 0o700)


def _text(text: str, where: str) -> bytes:
    if "\0" in text or not _is_encodable(text):
        raise UnsupportedPod(f"{where}: a character in it cannot be in a script (NUL or half a pair)")
    return text.encode()


def _volume_files(pod: Pod) -> Iterator[PodFile]:
    for volume in pod.volumes:
        if isinstance(volume, FilesVolume):
            for file in volume.files:
                yield PodFile(_volume_path(volume, file), file.content, file.mode & 0o777)


def _volume_path(volume: FilesVolume, file: VolumeFile) -> PurePosixPath:
    path = PurePosixPath(file.path)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in file.path:
        raise UnsupportedPod(f"volume {volume.name}: {file.path!r} is not a path inside the volume")
    return PurePosixPath("volumes", volume.name) / path


def container_text(container: Container, gpus: devices.GpuShare | None = None) -> bytes:
    """The container's part of the job as bash, read by ``sidecar_launch`` in ``runner/containers.sh``.

    :param gpus: which of the job's GPUs it may use; ``None``: it asks for no devices
    :raises UnsupportedPod: the container's name and the variable's, never a value
    """
    limits.check(container)
    lines = ["# Secret: environment, command and arguments of one container."]
    lines += [f"sidecar_tell_devices {gpus.first} {gpus.count} {gpus.out_of}"] if gpus else []
    lines += _environment(container)
    lines.append(_array("sidecar_command", container.command, f"container {container.name}: command"))
    lines.append(_array("sidecar_arguments", container.args, f"container {container.name}: args"))
    return "\n".join([*lines, ""]).encode()


def _environment(container: Container) -> Iterator[str]:
    home = None
    for name, value in container.env:
        where = f"container {container.name}: environment variable {name}"
        _check_name(name, where)
        quoted = _quoted(value, where)
        if name == "HOME":
            home = _home(value, where)
        else:
            yield f"sidecar_env {name} {quoted}"
    if home is not None:
        yield f"sidecar_home={shlex.quote(home)}"


def _check_name(name: str, where: str) -> None:
    if not _EXPORTABLE.fullmatch(name):
        raise UnsupportedPod(
            f"{where}: the container runtime cannot pass on this name; use letters, digits and _ only, "
            "or mount the value as a file"
        )
    if name in _TAKEN_BY_RUNTIME:
        raise UnsupportedPod(f"{where}: the container runtime keeps this name for itself; set PATH instead")


def _home(value: str, where: str) -> str:
    """HOME goes to the runtime as ``--home``, because it refuses to take it as a variable."""
    if not value.startswith("/") or ":" in value:
        raise UnsupportedPod(f"{where}: the container runtime takes only an absolute path without a colon")
    return value


def _array(name: str, words: Iterable[str], where: str) -> str:
    return f"{name}=({' '.join(_quoted(word, where) for word in words)})"


def _quoted(text: str, where: str) -> str:
    """One shell word that stands for exactly this text."""
    if "\0" in text or not _is_encodable(text):
        raise UnsupportedPod(f"{where} holds a character that no process can be given (NUL or half a pair)")
    return shlex.quote(text)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
