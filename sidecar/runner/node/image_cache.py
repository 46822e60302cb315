"""The files of the image cache, as the daemon's ``image`` verbs and all jobs of a user know them.

``<DataRootFolder>/.images/<user id>/`` holds, for every image, files that begin with its key:

- ``KEY.sif``: the image; ``KEY.txt``: what it is (``NAME=VALUE`` lines), as old as the beginning of its pull;
- ``KEY.lock``: locked during a pull, and as old as the image's last use;
- ``KEY.failed``: what a pull that failed said, as old as its beginning;
- ``KEY.used.JOB.CONTAINER``: another name of the image's file, for a job's container, until the job ends;
- ``KEY.part.JOB.CONTAINER/``: a pull under way; ``KEY.cache/``: the runtime's own cache.

Times are those of the cache's file system, the same for all nodes.
"""

import os

from sidecar.runner.contract import layout
from sidecar.runner.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable


class CachedFiles:
    """The names of one image's files."""

    def __init__(self, folder: str, key: str) -> None:
        base = os.path.join(folder, key)
        self._base = base
        self.image = base + ".sif"
        self.about = base + ".txt"
        self.lock = base + ".lock"
        self.failed = base + ".failed"
        self.runtime_cache = base + ".cache"

    def link(self, job: str, container: str) -> str:
        """The image's other name, which keeps it while the job lives."""
        return f"{self._base}.used.{job}.{container}"

    def part(self, job: str, container: str) -> str:
        """The folder of a pull under way."""
        return f"{self._base}.part.{job}.{container}"


class ImageCache:
    """The cache of this user, as one job uses it."""

    def __init__(self, folder: str, job: str) -> None:
        self.folder = folder
        self.job = job

    def files(self, key: str) -> CachedFiles:
        """The files of the image with this key."""
        return CachedFiles(self.folder, key)

    def use(self, keys: "Iterable[str]", container: str) -> str:
        """A name of the image that stays while the job lives, whoever removes or replaces the image meanwhile.

        :param keys: where the image may be; the first that is there counts
        :returns: the name; empty where there is no such image
        :raises OSError: the cache cannot be written
        """
        for key in keys:
            cached = self.files(key)
            if not files.is_own_and_filled(cached.image):
                continue
            name = _keep(cached.image, cached.link(self.job, container))
            if name:
                files.touch(cached.lock)
                return name
        return ""


def _keep(image: str, link: str) -> str:
    files.remove(link)
    try:
        os.link(image, link)
    except OSError:
        # A file system without hard links: a mark still keeps "image prune" away. Or the image was just removed.
        files.touch(link)
        return image if files.is_own_and_filled(image) else ""
    return link


def find_cache(data_root: str, private: str, job: str) -> ImageCache:
    """The user's cache beside the pods' directories; where the node cannot write there, one for this job alone.

    :param private: a folder of this job on the node
    :raises OSError: neither can be made
    """
    folder = layout.image_cache(data_root, os.geteuid())
    if os.path.isdir(data_root):
        _make(folder)
    if not _is_ours(folder):
        folder = os.path.join(private, "images")
        os.makedirs(folder, mode=0o700, exist_ok=True)
    return ImageCache(folder, job)


def _make(folder: str) -> None:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        pass  # whether it can be used is seen next


def _is_ours(folder: str) -> bool:
    try:
        owner = os.stat(folder).st_uid
    except OSError:
        return False
    return owner == os.geteuid() and os.access(folder, os.W_OK)


def remove_leftovers(data_root: str, job: str) -> None:
    """At a job's end: remove its marks of use and its half pulls."""
    folder = layout.image_cache(data_root, os.geteuid())
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        words = name.split(".")
        if len(words) > 3 and words[1] in ("part", "used") and words[2] == job:
            _remove_if_possible(os.path.join(folder, name))


def _remove_if_possible(path: str) -> None:
    try:
        files.remove(path)
    except OSError:
        pass  # "image prune" removes what dead jobs have left
