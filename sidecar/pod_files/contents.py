"""The files of a pod: the document of its job, and what its volumes hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from sidecar.domain.plan import JobPlan
from sidecar.domain.pod import FilesVolume, Pod, VolumeFile
from sidecar.errors import UnsupportedPod
from sidecar.pod_files.document import pod_document_of
from sidecar.pod_files.site import JobSite
from sidecar.runner.contract import layout, pod_document


@dataclass(frozen=True, slots=True)
class PodFile:
    """One file below the pod's directory."""

    path: PurePosixPath
    content: bytes = field(repr=False)
    mode: int


def pod_files(pod: Pod, plan: JobPlan, site: JobSite) -> list[PodFile]:
    """Everything the job needs beside its script.

    :raises UnsupportedPod: a process cannot be given one of the pod's texts, or a volume's file has an unsafe path
    """
    document = pod_document.encode(pod_document_of(pod, plan, site))
    return [PodFile(PurePosixPath(layout.DOCUMENT), document, 0o600), *_volume_files(pod)]


def _volume_files(pod: Pod) -> Iterator[PodFile]:
    for volume in pod.volumes:
        if isinstance(volume, FilesVolume):
            for file in volume.files:
                yield PodFile(_volume_path(volume, file), file.content, file.mode & 0o777)


def _volume_path(volume: FilesVolume, file: VolumeFile) -> PurePosixPath:
    path = PurePosixPath(file.path)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in file.path:
        raise UnsupportedPod(f"volume {volume.name}: {file.path!r} is not a path inside the volume")
    return PurePosixPath(layout.VOLUMES, volume.name) / path
