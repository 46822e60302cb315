"""Apptainer and Singularity.

Source: https://apptainer.org/docs/user/latest/cli.html
"""

import os

from sidecar.runner.runtimes import apptainer_pull

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Sequence, Tuple

JOINABLE = "--userns"
"""Option of a container whose namespaces this job can join."""
_CONTAINED = ("--contain", "--ipc", "--pid")
_CLEAN = frozenset({"--cleanenv", "-e"})


class Apptainer:
    """How it fetches images; see :class:`sidecar.runner.node.image_pull.PullRuntime`."""

    def __init__(self, program: str) -> None:
        self._program = program

    def pull_call(self, image: str, file: str, cache: str, login_file: str) -> "Tuple[List[str], Dict[str, str]]":
        """The call that fetches an image into one file, and what is set in its environment."""
        return apptainer_pull.pull_call(self._program, image, file, cache, login_file)

    def settle(self, cache: str, file: str) -> None:
        """Remove what a pull has left in the runtime's own cache."""
        apptainer_pull.settle(cache, file)


def start_call(
    program: str,
    *,
    image: str,
    binds: "Iterable[str]",
    options: "Sequence[str]",
    work: str,
    home: str = "",
    hostname: str = "",
    overlay: str = "",
    working_dir: str = "",
    runs_image: bool = False,
    words: "Sequence[str]" = (),
) -> "List[str]":
    """The call that starts a container.

    :param work: a folder of the node for its ``/tmp`` and home: the runtime's own are 64 MiB of memory
    :param overlay: the folder of a layer over the image where the container may write; empty: it may not
    :param runs_image: the image decides what is started; ``words`` are its arguments
    """
    call = [program, "--quiet", "run" if runs_image else "exec", "--workdir", work]
    call += ["--no-home", "--home", home] if home else []
    call += ["--hostname", hostname] if hostname else []
    call += ["--overlay", overlay] if overlay else []
    call += ["--pwd", working_dir] if working_dir else []
    return [*call, *_as_process_one(options), *binds, image, *words]


def _as_process_one(options: "Sequence[str]") -> "List[str]":
    """The options for a container whose program is its process 1, as under a kubelet.

    The gate gives it its environment, so the runtime must not clean it: with ``--cleanenv``, which ``--containall``
    means as well, names like ``discovery.type`` are lost.
    """
    given: "List[str]" = []
    for option in options:
        if option in ("--containall", "-C"):
            given += _CONTAINED
        elif option not in _CLEAN:
            given.append(option)
    return given if "--no-init" in given or "--pid" not in given else ["--no-init", *given]


def bind(source: str, destination: str, *, read_only: bool, alias: str) -> "List[str]":
    """Options that show a file or folder of the node in the container. The runtime reads the option as CSV.

    :param alias: a free name: the runtime would take a device for its own and pass it over, but does not see what
        stands behind a link
    """
    if source.startswith("/dev/") and destination.startswith("/dev/") and source != destination:
        os.symlink(source, alias)
        source = alias
    text = f"type=bind,{_field('source', source)},{_field('destination', destination)}"
    return ["--mount", text + (",ro" if read_only else "")]


def _field(name: str, value: str) -> str:
    escaped = value.replace('"', '""')
    return f'"{name}={escaped}"'
