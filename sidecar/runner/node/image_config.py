"""What an image says about the program in it: its OCI configuration, which a SIF from a registry carries.

Source: https://github.com/opencontainers/image-spec/blob/main/config.md
"""

import os

from sidecar.runner.contract import plain_json
from sidecar.runner.node import sif

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple

    from sidecar.runner.contract.pod_document import ContainerDocument

    Variables = List[Tuple[str, str]]

MAX_BYTES = 1024 * 1024
_OF_RUNTIME = b'{"data":'
"""So begins the other JSON object, which is what the runtime itself knows about the image."""
_GO_NAMES = {
    "x86_64": ("amd64", "386"),
    "i686": ("386",),
    "i386": ("386",),
    "aarch64": ("arm64", "arm"),
    "armv7l": ("arm",),
    "ppc64le": ("ppc64le",),
    "ppc64": ("ppc64",),
    "s390x": ("s390x",),
    "riscv64": ("riscv64",),
}
"""What a machine can run, its own name first."""


class ImageConfig:
    """The configuration that a Dockerfile gave the image."""

    def __init__(
        self, env: "Variables", entrypoint: "List[str]", cmd: "List[str]", working_dir: str, user: str
    ) -> None:
        self.env = env
        self.entrypoint = entrypoint
        self.cmd = cmd
        self.working_dir = working_dir
        """Empty: the root directory."""
        self.user = user


class NoCommand(Exception):
    """There is nothing to start."""


class _Damaged(Exception):
    """It is no configuration."""


def read(path: str) -> "Optional[ImageConfig]":
    """The configuration in an image file; ``None`` where there is none that can be used."""
    try:
        with sif.Sif(path) as file:
            return _find(file)
    except sif.NoSif:
        return None


def _find(file: sif.Sif) -> "Optional[ImageConfig]":
    left = MAX_BYTES
    for one in file.objects:
        if one.kind != sif.GENERIC_JSON or one.size > left:
            continue
        left -= one.size
        data = file.read(one)
        if not data.startswith(_OF_RUNTIME):
            return parse(data)
    return None


def parse(data: bytes) -> "Optional[ImageConfig]":
    """The configuration in its JSON; ``None`` where it is damaged."""
    try:
        raw = plain_json.loads(data.decode("utf-8"))
        return _config_of(raw)
    except (ValueError, RecursionError, _Damaged):
        return None


def _config_of(raw: "Any") -> ImageConfig:
    if not isinstance(raw, dict):
        raise _Damaged
    return ImageConfig(
        _variables(_texts(raw.get("Env"))),
        _texts(raw.get("Entrypoint")),
        _texts(raw.get("Cmd")),
        _text(raw.get("WorkingDir") or ""),
        _text(raw.get("User") or ""),
    )


def _texts(value: "Any") -> "List[str]":
    if value is None:
        return []
    if not isinstance(value, list):
        raise _Damaged
    return [_text(one) for one in value]


def _text(value: "Any") -> str:
    """A text that a program can be given: the kernel ends one at a NUL."""
    if not isinstance(value, str) or "\0" in value:
        raise _Damaged
    value.encode("utf-8")  # a UnicodeEncodeError is a ValueError
    return value


def _variables(lines: "List[str]") -> "Variables":
    pairs = [line.partition("=") for line in lines]
    return [(name, value) for name, _, value in pairs if name]


def command_of(container: "ContainerDocument", config: "Optional[ImageConfig]") -> "List[str]":
    """The program of a container and its arguments; nothing: neither the pod nor the image has any.

    Source: https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/
    """
    command, args = container["command"], container["args"]
    if command or config is None:
        return [*command, *args]
    return [*config.entrypoint, *(args or config.cmd)]


def environment_of(config: "Optional[ImageConfig]", pod_env: "Sequence[Sequence[str]]") -> "Variables":
    """The image's variables, then the pod's; of one name, the last counts."""
    variables: "Dict[str, str]" = {}
    for name, value in [*(config.env if config is not None else []), *pod_env]:
        variables[name] = value
    return list(variables.items())


def wrong_architecture(path: str, machine: str = "") -> "Optional[str]":
    """A sentence where the image file is for other processors than this node's; ``None`` where nothing is wrong.

    :param machine: what ``uname -m`` says; empty: of this node
    """
    machine = machine or os.uname().machine
    runs = _GO_NAMES.get(machine, ())
    architecture = _architecture(path)
    if not runs or not architecture or architecture in runs or _emulates(architecture):
        return None
    return f"the image is for {architecture} processors, and this node has {runs[0]} ({machine})"


def _architecture(path: str) -> str:
    try:
        with sif.Sif(path) as file:
            return next((one.architecture for one in file.objects if one.architecture), "")
    except sif.NoSif:
        return ""


def _emulates(architecture: str, folder: str = "/proc/sys/fs/binfmt_misc") -> bool:
    """Whether the kernel hands programs of that architecture to an emulator; the names are QEMU's own.

    Source: https://docs.kernel.org/admin-guide/binfmt-misc.html
    """
    known = {"amd64": "x86_64", "386": "i386", "arm64": "aarch64"}
    try:
        with open(f"{folder}/qemu-{known.get(architecture, architecture)}") as file:
            return file.readline().strip() == "enabled"
    except OSError:
        return False
