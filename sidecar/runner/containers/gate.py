"""The gate: where a container stops on its way to its command.

The runtime's own shell (built into Apptainer, not the image's) reads a script of ours on its way. So we know that the
container's process is there and which one it is, can hold the file of its last words before anybody else touches it,
and give it exactly the environment it shall have: the shell reads the variables from files, and starts the command
itself. Nothing of a pod is text of a script.

Source: https://github.com/apptainer/apptainer/blob/main/internal/pkg/util/fs/files/action_script.sh
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Mapping

_ENV_FOLDER = "/.singularity.d/env"
_OWN_FOLDER = "/.singularity.d/slurm-sidecar"

_OWN_NAMES = "__slurm_sidecar"
"""How the script's own variables begin, unless one of the container's does."""

_EXPORT = """\
for __slurm_sidecar_file in @FOLDER@/defaults/*; do
    if [ -f "$__slurm_sidecar_file" ]; then
        __slurm_sidecar_value="$(<"$__slurm_sidecar_file")"
        if ! test -v "${__slurm_sidecar_value%%=*}"; then export "${__slurm_sidecar_value%.}"; fi
    fi
done
for __slurm_sidecar_file in @FOLDER@/values/*; do
    if [ -f "$__slurm_sidecar_file" ]; then
        __slurm_sidecar_value="$(<"$__slurm_sidecar_file")"
        export "${__slurm_sidecar_value%.}"
    fi
done
"""
_WAIT = """\
__slurm_sidecar_words="$(<@FOLDER@/words)"
if ! [ -w "${__slurm_sidecar_words%/*}" ]; then __slurm_sidecar_words=/dev/null; fi
{ printf x >@FOLDER@/arrived; read -r __slurm_sidecar_value <@FOLDER@/open; } 2>"$__slurm_sidecar_words"
"""
_EXEC = 'exec "$@"\n'
_RUN = """\
if [ -x /.singularity.d/runscript ]; then exec /.singularity.d/runscript "$@"; fi
if [ -x /singularity ]; then exec /singularity "$@"; fi
exec /bin/sh "$@"
"""


def _own_names(taken: "Iterable[str]") -> str:
    names = tuple(taken)
    own = _OWN_NAMES
    while any(name.startswith(own) for name in names):
        own += "_"
    return own


class Gate:
    """The files of one container's gate, on the node."""

    def __init__(self, folder: str, *, replaces_image: bool) -> None:
        """
        :param folder: where they are made; it must not exist
        :param replaces_image: nothing of the image's own scripts for the environment is run
        """
        self._folder = folder
        self._replaces_image = replaces_image

    def make(
        self,
        values: "Mapping[str, str]",
        defaults: "Mapping[str, str]",
        *,
        runs_image: bool,
        waits: bool,
        words: str = os.devnull,
    ) -> None:
        """Write them.

        :param defaults: variables for which the image has no value of its own
        :param runs_image: the image decides what is started
        :param waits: the container waits until the gate is opened
        :param words: the file of its last words, if it is in the container's own ``/dev``
        """
        os.mkdir(self._folder, 0o700)
        text = (_WAIT if waits else "") + _EXPORT + (_RUN if runs_image else _EXEC)
        inside = _ENV_FOLDER if self._replaces_image else _OWN_FOLDER
        own = _own_names([*values, *defaults])
        self._write("10-slurm-sidecar.sh", text.replace("@FOLDER@", inside).replace(_OWN_NAMES, own))
        self._write("words", words)
        for name, variables in (("values", values), ("defaults", defaults)):
            os.mkdir(os.path.join(self._folder, name), 0o700)
            # Names can be longer than those of files, which have numbers therefore.
            for number, (variable, value) in enumerate(variables.items()):
                # The shell takes newlines away from the end of what it reads; of this one it takes the dot.
                self._write(os.path.join(name, str(number)), f"{variable}={value}.")
        if waits:
            for name in ("arrived", "open"):
                os.mkfifo(os.path.join(self._folder, name), 0o600)

    def _write(self, name: str, text: str) -> None:
        descriptor = os.open(os.path.join(self._folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))

    def binds(self) -> "list[tuple[str, str, bool]]":
        """Source, place in the container, and whether it is read-only."""
        if self._replaces_image:
            return [(self._folder, _ENV_FOLDER, False)]
        script = os.path.join(self._folder, "10-slurm-sidecar.sh")
        return [(self._folder, _OWN_FOLDER, False), (script, f"{_ENV_FOLDER}/zz-slurm-sidecar.sh", True)]

    def listen(self) -> "tuple[int, int]":
        """Open the ends at which the container arrives, and by which it is let through.

        Both for reading and writing, or opening would wait for the container.
        """
        flags = os.O_RDWR | os.O_NONBLOCK
        return os.open(os.path.join(self._folder, "arrived"), flags), os.open(os.path.join(self._folder, "open"), flags)
