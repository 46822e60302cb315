"""Volumes: from what a container asks for to the binds that its runtime makes."""

import os

from sidecar.runner.contract.layout import EMPTY_DIRS, PodFiles
from sidecar.runner.contract.pod_document import with_node_facts
from sidecar.runner.node import host_paths
from sidecar.runner.node.host_paths import CannotMount, is_below
from sidecar.runner.system import folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Sequence

    from sidecar.runner.contract.pod_document import ContainerDocument, MountDocument, PodDocument, VolumeDocument

MEMORY = "/dev/shm/slurm-sidecar"  # noqa: S108
"""What the folder of a job's volumes in memory begins with."""
_OWN_KINDS = ("files", "disk", "memory")
"""Volumes that belong to the pod itself."""


class Bind:
    """A file or folder of the node, and where a container sees it."""

    __slots__ = ("destination", "read_only", "source")

    def __init__(self, source: str, destination: str, read_only: bool) -> None:
        self.source = source
        self.destination = destination
        self.read_only = read_only

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bind) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"Bind({self.source!r}, {self.destination!r}, read_only={self.read_only})"

    def _fields(self) -> "tuple[str, str, bool]":
        return (self.source, self.destination, self.read_only)


class Mounts:
    """The volumes of one pod on this node."""

    def __init__(self, files: PodFiles, files_root: str, document: "PodDocument", facts: "Dict[str, str]") -> None:
        """
        :param files: the pod's directory, which holds the emptyDirs on disk
        :param files_root: below which the files of ConfigMaps and Secrets are: that directory, or a private folder
        :param facts: what only the node knows; see ``addresses.node_facts``
        """
        self._files = files
        self._sources = PodFiles(files_root)
        self._volumes = {volume["name"]: volume for volume in document["volumes"]}
        self._allowed = document["site"]["allowed_paths"]
        self._protected = document["site"]["protected_paths"]
        self._facts = facts
        self._memory = ""

    def make_empty_dirs(self) -> None:
        """Make the pod's emptyDirs, which its containers share and keep over their restarts.

        :raises OSError: one cannot be made
        """
        volumes = self._volumes.values()
        os.makedirs(self._files.path(EMPTY_DIRS), mode=0o700, exist_ok=True)
        for volume in volumes:
            if volume["kind"] == "disk":
                _make_open(self._files.empty_dir(volume["name"]))
        in_memory = [volume["name"] for volume in volumes if volume["kind"] == "memory"]
        if in_memory:
            self._memory = folders.make_folder(MEMORY)
        for name in in_memory:
            _make_open(os.path.join(self._memory, name))

    def remove(self) -> None:
        """Remove the volumes in memory, which lie outside of the job's private folder."""
        if self._memory:
            folders.remove_tree(self._memory)

    def binds_of(self, container: "ContainerDocument", pod_files: "Sequence[Bind]" = ()) -> "List[Bind]":
        """What a container sees of the pod's volumes, outer paths before inner ones, and the other files it gets.

        Places inside the pod's own volumes are made here, as is the working directory there; the runtime makes others.

        :param pod_files: such as the pod's ``/etc/hosts``, which may lie inside of a volume
        :raises CannotMount: a volume cannot be mounted, or there is no place for it
        """
        places = _Places()
        binds = []
        for mount in outer_first([self._with_facts(mount) for mount in container["mounts"]]):
            volume = self._volumes[mount["volume"]]
            source = self._source(volume, mount["sub_path"])
            places.make(mount["path"], is_folder=os.path.isdir(source))
            if volume["kind"] in _OWN_KINDS:
                places.note(mount["path"], source)
            binds.append(Bind(source, mount["path"], mount["read_only"] or volume["kind"] == "files"))
        if container["working_dir"]:
            places.make(container["working_dir"], is_folder=True)
        for bind in pod_files:
            places.make(bind.destination, is_folder=False)
        return [*binds, *pod_files]

    def _with_facts(self, mount: "MountDocument") -> "MountDocument":
        return {
            "volume": mount["volume"],
            "path": with_node_facts(mount["path"], self._facts),
            "read_only": mount["read_only"],
            "sub_path": with_node_facts(mount["sub_path"], self._facts),
        }

    def _source(self, volume: "VolumeDocument", sub_path: str) -> str:
        """Where a volume, or the place inside of it, is on this node."""
        kind = volume["kind"]
        base = self._base(volume)
        source = _inside(base, sub_path, may_make=kind != "files") if sub_path else base
        if kind == "claim":
            host_paths.check_protected(source, self._protected)
        elif kind == "host":
            host_paths.check_allowed(source, self._allowed, self._protected)
        return source

    def _base(self, volume: "VolumeDocument") -> str:
        kind, name = volume["kind"], volume["name"]
        if kind == "files":
            return self._sources.volume(name)
        if kind == "disk":
            return self._files.empty_dir(name)
        if kind == "memory":
            return os.path.join(self._memory, name)
        path = os.path.realpath(volume["path"])
        if kind == "host":
            host_paths.check_allowed(path, self._allowed, self._protected)
            host_paths.provide(path, volume["type"], stated=volume["path"], node=self._facts["nodeName"])
        elif not os.path.isdir(path):
            raise CannotMount(f"{volume['path']}: the claim's folder is not there on node {self._facts['nodeName']}")
        return path


def outer_first(mounts: "Sequence[MountDocument]") -> "List[MountDocument]":
    """In the order in which they can be made: a path comes before what is mounted inside of it."""
    return sorted(mounts, key=lambda mount: len([part for part in mount["path"].split("/") if part not in ("", ".")]))


def _make_open(folder: str) -> None:
    """Make a folder in which everybody may do everything, as under a kubelet."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        return  # Slurm runs the same job again
    os.chmod(folder, 0o777)  # noqa: S103


def _inside(base: str, sub_path: str, *, may_make: bool) -> str:
    """The place inside of a volume; links may not lead out of it. As a kubelet does, make it if it is not there."""
    source = os.path.realpath(os.path.join(base, sub_path.lstrip("/")))
    if not is_below(source, os.path.realpath(base)):
        raise CannotMount(f"subPath {sub_path}: it leads out of its volume")
    if os.path.exists(source):
        return source
    if not may_make:
        raise CannotMount(f"subPath {sub_path}: the volume has no such file")
    try:
        folders.make_below(source)
    except OSError:
        raise CannotMount(f"subPath {sub_path}: it cannot be made") from None
    return source


class _Places:
    """Where the pod's own volumes are in one container, and what can be mounted inside of them.

    Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/nested_volumes.go
    """

    def __init__(self) -> None:
        self._sources: "Dict[str, str]" = {}

    def note(self, destination: str, source: str) -> None:
        """One of the pod's own volumes is mounted there."""
        self._sources[destination] = source

    def make(self, destination: str, *, is_folder: bool) -> None:
        """Make a place inside of such a volume, also of one that containers can only read.

        :raises CannotMount: it leads out of the volume, or cannot be made
        """
        around = [outer for outer in self._sources if _is_inside(destination, outer)]
        if not around:
            return
        outer = max(around, key=len)
        volume = os.path.realpath(self._sources[outer])
        place = os.path.realpath(os.path.join(volume, destination[len(outer.rstrip("/")) + 1 :].lstrip("/")))
        if os.path.exists(place):
            return
        if not is_below(place, volume):
            raise CannotMount(f"over {destination}: it leads out of the volume around it")
        try:
            (folders.make_below if is_folder else folders.make_file)(place)
        except OSError:
            raise CannotMount(f"over {destination}: there is no such place in the volume around it") from None


def _is_inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")
