"""Paths of the node that a pod may see. Links are resolved here, on the node that follows them."""

import os
import stat

from sidecar.runner.system import folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Sequence


class CannotMount(Exception):
    """A volume cannot be mounted; the text is a sentence for the container's log."""

    def __init__(self, what: str) -> None:
        super().__init__(f"cannot mount {what}")


def is_below(path: str, folder: str) -> bool:
    """Whether a path is the folder, or in it; both without links."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def check_protected(path: str, protected: "Sequence[str]") -> None:
    """No pod may see the sidecar's own files.

    :param path: without links
    :raises CannotMount: it is such a file, holds one, or is below one
    """
    for prefix in map(os.path.realpath, protected):
        if is_below(path, prefix) or is_below(prefix, path):
            raise CannotMount(f"{path}: it holds the sidecar's own files")


def check_allowed(path: str, allowed: "Sequence[str]", protected: "Sequence[str]") -> None:
    """Check the site's rules for paths of the node.

    :param path: without links
    :param allowed: what a pod may see; empty: everything that is not protected
    :raises CannotMount: the site does not allow it
    """
    check_protected(path, protected)
    if allowed and not any(is_below(path, os.path.realpath(prefix)) for prefix in allowed):
        raise CannotMount(f"hostPath {path}: the site allows only {' '.join(allowed)}")


_TYPES: "Dict[str, Callable[[int], bool]]" = {
    "Directory": stat.S_ISDIR,
    "DirectoryOrCreate": stat.S_ISDIR,
    "File": stat.S_ISREG,
    "FileOrCreate": stat.S_ISREG,
    "Socket": stat.S_ISSOCK,
    "CharDevice": stat.S_ISCHR,
    "BlockDevice": stat.S_ISBLK,
}


def provide(path: str, kind: str, *, stated: str, node: str) -> None:
    """Make a hostPath where its type says so, and check that it is of its type.

    :param path: without links
    :param stated: the path as the pod states it
    :param kind: the hostPath type; empty: any that is there
    :raises CannotMount: it is not there, not of its type, or cannot be made

    Source: https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types
    """
    try:
        if not os.path.exists(path):
            _make(path, kind)
        is_right = _TYPES.get(kind, _any)(os.stat(path).st_mode)
    except OSError:
        is_right = False
    if not is_right:
        of_type = f", or not of type {kind}" if kind else ""
        raise CannotMount(f"hostPath {stated}: it is not there on node {node}{of_type}")


def _make(path: str, kind: str) -> None:
    if kind == "DirectoryOrCreate":
        folders.make_below(path)
    elif kind == "FileOrCreate" and os.path.isdir(os.path.dirname(path)):
        folders.make_file(path)


def _any(_: int) -> bool:
    return True
