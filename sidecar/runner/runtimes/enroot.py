"""Enroot: its command line and its files. Images are squashfs files; a container is one unpacked for this job.

Source: https://github.com/NVIDIA/enroot/tree/main/doc
"""

import os

from sidecar.runner.system import folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

    from sidecar.runner.node.mounts import Bind

_SCHEME = "docker://"
_BLANKS = " \t\n\v\f\r"


class Enroot:
    """How it is called."""

    def __init__(self, program: str, folder: str) -> None:
        """
        :param folder: for all that Enroot keeps, which is this job's alone and goes with it
        """
        self._program = program
        self._folder = folder

    def pull_call(self, image: str, file: str, cache: str, login_file: str) -> "Tuple[List[str], Dict[str, str]]":
        """The call that fetches an image into one file, its layers into a cache, and what is set in its environment.

        :param login_file: not read: logins are those that Enroot finds by itself
        :raises OSError: a folder that it needs cannot be made
        """
        self.make_folders()
        variables = {**self.variables(), "ENROOT_CACHE_PATH": cache}
        return [self._program, "import", "--output", file, image_name(image)], variables

    def settle(self, cache: str, _: str) -> None:
        """After a pull, layers are of no more use."""
        folders.remove_tree(cache)

    def create_call(self, name: str, image: str) -> "List[str]":
        """The call that unpacks an image file into a container of this name."""
        return [self._program, "create", "--name", name, image]

    def start_call(
        self, name: str, files: "StartFiles", *, options: "Iterable[str]", writable: bool, words: "Sequence[str]"
    ) -> "List[str]":
        """The call that starts an unpacked container.

        :param options: the site's and the pod's; ``--bind=A:B`` shows a path of the node
        :param words: the command and its arguments, or arguments for what the image decides
        """
        script = ["--rc", files.script] if os.path.exists(files.script) else []
        given = [word for option in options for word in _option(option, writable=writable)]
        return [self._program, "start", *given, *script, "--conf", files.configuration, name, *words]

    def variables(self) -> "Dict[str, str]":
        """What is set for every call; a login shell would change the container's environment."""
        names = {"RUNTIME": "run", "DATA": "data", "CACHE": "cache", "TEMP": "tmp"}
        paths = {f"ENROOT_{name}_PATH": os.path.join(self._folder, place) for name, place in names.items()}
        return {**paths, "ENROOT_LOGIN_SHELL": "no"}

    def root_of(self, name: str) -> str:
        """The root directory of an unpacked container."""
        return os.path.join(self._folder, "data", name)

    def make_folders(self) -> None:
        """Make what Enroot does not make itself.

        :raises OSError: it cannot be made
        """
        os.makedirs(os.path.join(self._folder, "tmp"), exist_ok=True)

    def remove_containers_of(self, container: str) -> None:
        """Remove what is unpacked of attempts before.

        :param container: a container's name, which holds no dot; an attempt's begins with it and a dot
        """
        data = os.path.join(self._folder, "data")
        for name in os.listdir(data) if os.path.isdir(data) else ():
            if name.startswith(f"{container}."):
                folders.remove_tree(os.path.join(data, name))


def image_name(image: str) -> str:
    """An image as Enroot names it: it separates the registry by ``#``, and knows Docker's own without a name."""
    registry = image[len(_SCHEME) :].partition("/")[0] if image.startswith(_SCHEME) else ""
    is_registry = "." in registry or ":" in registry
    if is_registry and image.startswith(f"{_SCHEME}{registry}/") and "#" not in image and "@" not in image:
        image = f"{_SCHEME}{registry}#{image[len(_SCHEME) + len(registry) + 1 :]}"
    docker = f"{_SCHEME}docker.io#"
    return _SCHEME + image[len(docker) :] if image.startswith(docker) else image


def _option(option: str, *, writable: bool) -> "List[str]":
    if option.startswith("--bind="):
        return ["--mount", option[len("--bind=") :]]
    if option in ("--rw", "-w"):
        return ["--rw"] if writable else []
    return [option]


class StartFiles:
    """Environment, mounts and start script of one container: arguments can be seen by everybody."""

    def __init__(self, prefix: str) -> None:
        """
        :param prefix: of the files' names
        """
        self.configuration = f"{prefix}.conf"
        self.script = f"{prefix}.rc"
        self._environment = f"{prefix}.environment"
        self._mounts = f"{prefix}.fstab"

    def write(
        self, *, root: str, variables: "Mapping[str, str]", binds: "Iterable[Bind]", has_command: bool, working_dir: str
    ) -> None:
        """Write them.

        :param root: the unpacked container's root directory
        :param variables: no value has several lines
        :param has_command: the pod has a command; only where it has none, an image's own start script is kept
        :param working_dir: empty: the image's
        :raises OSError: one cannot be written
        """
        lines = "".join(f"{name}={_value(value)}\n" for name, value in variables.items())
        folders.write_private(self._environment, lines)
        folders.write_private(self._mounts, "".join(f"{mount_line(bind)}\n" for bind in binds))
        sources = (("environ", self._environment), ("mounts", self._mounts))
        functions = "".join(f"{name}() {{ cat {quoted(path)}; }}\n" for name, path in sources)
        folders.write_private(self.configuration, functions)
        script = start_script(_text_of(f"{root}/etc/rc"), has_command=has_command, working_dir=working_dir)
        if script:
            folders.write_private(self.script, script)


def _text_of(path: str) -> str:
    """A file of the image; empty if there is none. Links lead to the node's files, which are none of it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with open(descriptor, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def start_script(images: str, *, has_command: bool, working_dir: str) -> str:
    """The script that the image's own shell reads to start the container; empty: the image's own is right.

    :param images: the image's own start script; empty: it has none
    """
    if has_command or not images:
        folder = working_dir or _working_dir_in(images)
        return f'cd {quoted(folder)} || exit 128\nif [ "$#" -eq 0 ]; then set -- /bin/sh; fi; exec "$@"\n'
    return _moved(images, working_dir) if working_dir else ""


_CD, _AFTER_CD = 'cd "', '" && unset OLDPWD'
"""Enroot writes an image's WORKDIR into its start script, as: ``cd "/folder" && unset OLDPWD || exit 1``."""


def _working_dir_in(script: str) -> str:
    for line in script.split("\n"):
        if _changes_folder(line):
            return line[len(_CD) : line.rindex(_AFTER_CD)]
    return "/"


def _moved(script: str, working_dir: str) -> str:
    """The image's script, but in another folder."""
    line_of_ours = f"cd {quoted(working_dir)} || exit 128"
    return "\n".join(line_of_ours if _changes_folder(line) else line for line in script.split("\n"))


def _changes_folder(line: str) -> bool:
    return line.startswith(_CD) and line.find(_AFTER_CD) >= len(_CD)


def quoted(text: str) -> str:
    """A text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _value(value: str) -> str:
    """Enroot takes quotes away from around a value, twice."""
    inner = value.rstrip(_BLANKS)
    is_quoted = len(inner) > 1 and inner[0] in "\"'" and inner[-1] in "\"'"
    return f'""{value}""' if is_quoted else value


def mount_line(bind: "Bind") -> str:
    """A line of Enroot's fstab."""
    mode = "ro" if bind.read_only else "rw"
    return f"{_field(bind.source)} {_field(bind.destination)} none x-create=auto,rbind,{mode}"


def _field(text: str) -> str:
    """Source of the escapes: https://man7.org/linux/man-pages/man5/fstab.5.html."""
    for character in "\\ \t\n#":
        text = text.replace(character, f"\\{ord(character):03o}")
    return text
