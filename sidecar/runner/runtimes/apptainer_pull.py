"""How Apptainer and Singularity fetch an image, and what they leave in their cache.

Source: https://apptainer.org/docs/user/latest/cli/apptainer_pull.html
"""

import os

from sidecar.runner.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Tuple

_CHUNK_BYTES = 1024 * 1024


def pull_call(program: str, image: str, file: str, cache: str, login_file: str) -> "Tuple[List[str], Dict[str, str]]":
    """The call that fetches an image into one file, and what is set in its environment.

    In a cache of its own, the runtime downloads the image again only if the registry's digest is another.

    :param login_file: empty: without a login
    """
    login = ["--authfile", login_file] if login_file else []
    return [program, "pull", *login, "--force", file, image], {
        "APPTAINER_CACHEDIR": cache,
        "SINGULARITY_CACHEDIR": cache,
    }


def settle(cache: str, file: str) -> None:
    """After a pull, layers are of no more use, nor is any image in the cache but the newest.

    That one and the file share their room.

    :raises OSError: something cannot be removed
    """
    folder = os.path.join(cache, "cache")
    files.remove(os.path.join(folder, "blob"))
    images = sorted(_files_below(folder), key=lambda path: os.stat(path).st_mtime_ns)
    for old in images[:-1]:
        os.unlink(old)
    if images and _are_equal(images[-1], file):
        _share(images[-1], file)


def _files_below(folder: str) -> "List[str]":
    """The plain files two levels below: kinds of images, then the images."""
    kinds = [os.path.join(folder, name) for name in _names(folder)]
    paths = [os.path.join(kind, name) for kind in kinds for name in _names(kind)]
    return [path for path in paths if os.path.isfile(path)]


def _names(folder: str) -> "List[str]":
    try:
        return os.listdir(folder)
    except OSError:
        return []  # no folder: nothing was cached


def _are_equal(path: str, other: str) -> bool:
    if os.path.samefile(path, other):
        return False  # they share their room already
    if os.path.getsize(path) != os.path.getsize(other):
        return False
    with open(path, "rb") as one, open(other, "rb") as two:
        data = one.read(_CHUNK_BYTES)
        while data:
            if data != two.read(len(data)):
                return False
            data = one.read(_CHUNK_BYTES)
    return True


def _share(path: str, other: str) -> None:
    link = other + ".link"
    try:
        os.link(path, link)
    except OSError:
        return  # a file system without hard links
    os.rename(link, other)
