"""What a container gets as its environment, and in which of two ways.

Apptainer hands over variables whose names no shell can have just as it gets them. All others it would change or drop
here and there (HOME, PATH, LD_LIBRARY_PATH, IFS, SINGULARITY*, ...), and some would change the programs that still run
on the node, so they reach the container through the gate.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT_BY_SHELL = frozenset({"UID", "GID"})
"""The gate's shell has these as constants unless it finds them in its own environment."""
_TWO_WAYS = frozenset({"EUID"})
"""This one as well, but then it is no variable of the environment until the gate says so."""
_KEPT_BY_RUNTIME = frozenset({"APPTAINER_NAME", "APPTAINER_CONTAINER", "APPTAINER_INSTANCE"})
"""Constants of the runtime's own shell, which would complain in the container's log; pods with them are refused."""
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_NAME = _FIRST | frozenset("0123456789")
_OF_RUNTIME = ("APPTAINER", "SINGULARITY", "SIDECAR_", "LD_", "ENROOT_")


def is_shell_name(name: str) -> bool:
    """Whether a shell can have a variable of this name."""
    return name[:1] in _FIRST and all(character in _NAME for character in name)


def split(wanted: "Mapping[str, str]") -> "Tuple[Dict[str, str], Dict[str, str]]":
    """What goes through the gate, and what the runtime hands over itself."""
    wanted = {name: value for name, value in wanted.items() if name not in _KEPT_BY_RUNTIME}
    gate = {name: value for name, value in wanted.items() if is_shell_name(name)}
    both = _KEPT_BY_SHELL | _TWO_WAYS
    plain = {name: value for name, value in wanted.items() if name not in gate or name in both}
    return {name: value for name, value in gate.items() if name not in _KEPT_BY_SHELL}, plain


def of_runtime(job: "Mapping[bytes, bytes]", tsocks_library: str) -> "Dict[bytes, bytes]":
    """The job's environment without what the runtime must not get, or could not keep from the container.

    :param tsocks_library: containers are started with it, the runtime is not
    """
    kept = {n: v for n, v in job.items() if is_shell_name(n.decode("latin-1")) and not n.startswith(b"SIDECAR_")}
    if tsocks_library and kept.get(b"LD_PRELOAD") == tsocks_library.encode():
        del kept[b"LD_PRELOAD"]
    return kept


def inherited(job: "Mapping[bytes, bytes]", options: "Iterable[str]") -> "Dict[str, str]":
    """What a container takes over from the job, where the site's options do not ask for a clean environment."""
    if not {"--cleanenv", "-e", "--containall", "-C"}.isdisjoint(options):
        return {}
    names = {n.decode("latin-1"): v for n, v in job.items()}
    return {
        name: value.decode("utf-8", "surrogateescape")
        for name, value in names.items()
        if is_shell_name(name) and name not in ("PATH", "HOME", "TMPDIR", "_") and not name.startswith(_OF_RUNTIME)
    }


def injected(job: "Mapping[str, str]") -> "Dict[str, str]":
    """What shell text of the site or the pod hands over to containers in Apptainer's own way.

    Source: https://apptainer.org/docs/user/latest/environment_and_metadata.html#apptainerenv-prefix
    """
    found: "Dict[str, str]" = {}
    for prefix in ("SINGULARITYENV_", "APPTAINERENV_"):
        found.update((name[len(prefix) :], value) for name, value in job.items() if name.startswith(prefix))
    return found


def with_libraries(wanted: "Dict[str, str]", options: "Sequence[str]", *, image_sets_them: bool) -> None:
    """Let the container find the GPU libraries that the runtime brings.

    :param image_sets_them: the image's own scripts see to it
    """
    if {"--nv", "--rocm", "--nvccli"}.isdisjoint(options) or (image_sets_them and "LD_LIBRARY_PATH" not in wanted):
        return
    own: "Optional[str]" = wanted.get("LD_LIBRARY_PATH")
    folders: "List[str]" = [own] if own else []
    wanted["LD_LIBRARY_PATH"] = ":".join([*folders, "/.singularity.d/libs"])
