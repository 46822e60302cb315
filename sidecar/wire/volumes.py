"""The volumes of a request, with the contents that interLink sends along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sidecar.domain import pod as domain
from sidecar.domain import quantity
from sidecar.domain.downward import Downward
from sidecar.domain.plan import SitePolicy
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import decode
from sidecar.wire import kubernetes as kube
from sidecar.wire.files import Arrived, files_of, is_automatic, is_without_token

_HOST_PATH_TYPES = {
    "", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice",
}  # fmt: skip


def read_volumes(
    spec: kube.PodSpec,
    retrieved: Sequence[kube.RetrievedContainer],
    policy: SitePolicy,
    downward: Downward,
) -> tuple[tuple[domain.Volume, ...], tuple[str, ...]]:
    """All volumes that a container mounts (one that none mounts is left out), and notes for the pod's history.

    :raises UnsupportedPod: a volume's content has not arrived, or the site has no place for it
    :raises MalformedRequest: a mount names no volume, or a volume is not of Kubernetes' form
    """
    arrived = Arrived.of(retrieved, downward)
    volumes = {volume.name: volume for volume in spec.volumes or []}
    wanted = _mounted(spec)
    for name, container in wanted.items():
        if name not in volumes:
            raise MalformedRequest(f"container {container}: volumeMount {name}: the pod has no volume of that name")
    read = tuple(_volume(volumes[name], container, arrived, policy) for name, container in wanted.items())
    return read, tuple(note for name in wanted for note in _notes(volumes[name], arrived, policy))


def _mounted(spec: kube.PodSpec) -> dict[str, str]:
    """Names of the mounted volumes, each with the first container that mounts it."""
    everyone = [*(spec.init_containers or []), *spec.containers]
    wanted: dict[str, str] = {}
    for container in everyone:
        for mount in container.volume_mounts or []:
            wanted.setdefault(mount.name, container.name)
    return wanted


def _volume(volume: kube.Volume, container: str, arrived: Arrived, policy: SitePolicy) -> domain.Volume:
    decode.label(volume.name, "$.pod.spec.volumes[].name")
    if volume.host_path:
        return _host_path(volume.name, volume.host_path)
    if volume.persistent_volume_claim:
        return _claim(volume.name, volume.persistent_volume_claim, arrived.downward, policy)
    if volume.config_map or volume.secret or volume.projected or volume.downward_api:
        if not policy.export_pod_data:
            if is_automatic(volume):
                return domain.FilesVolume(name=volume.name, files=())
            raise UnsupportedPod(f"volume {volume.name}: this site does not export pod data (ExportPodData: false)")
        return domain.FilesVolume(name=volume.name, files=files_of(volume, container, arrived))
    return _empty_dir(volume.name, volume.empty_dir or kube.EmptyDirSource())


def _host_path(name: str, source: kube.HostPathSource) -> domain.HostPathVolume:
    where = f"volume {name}: hostPath"
    if not source.path.startswith("/") or ".." in source.path.split("/") or "\n" in source.path:
        raise UnsupportedPod(f"{where}: path must be absolute and without ..")
    if (source.type or "") not in _HOST_PATH_TYPES:
        raise MalformedRequest(f"{where}: type {source.type!r} is not one of Kubernetes' types")
    return domain.HostPathVolume(name=name, path=source.path.rstrip("/") or "/", type=source.type or "")


def _claim(name: str, source: kube.ClaimSource, downward: Downward, policy: SitePolicy) -> domain.ClaimVolume:
    claims = policy.persistent_volume_claims
    full_name = f"{downward.fields['metadata.namespace']}/{source.claim_name}"
    path = claims.get(full_name) or claims.get(source.claim_name)
    if path is None:
        raise UnsupportedPod(
            f"volume {name}: persistentVolumeClaim {source.claim_name}: this site has no folder for the claim "
            f"{full_name}; its admin can name one under PersistentVolumeClaims"
        )
    return domain.ClaimVolume(name=name, path=path, read_only=bool(source.read_only))


def _empty_dir(name: str, source: kube.EmptyDirSource) -> domain.EmptyDirVolume:
    if source.medium not in (None, "", "Memory"):
        raise UnsupportedPod(f"volume {name}: emptyDir: medium {source.medium!r} is not supported")
    try:
        limit = None if source.size_limit is None else quantity.ceil(quantity.parse(str(source.size_limit)))
    except ValueError as error:
        raise MalformedRequest(f"volume {name}: emptyDir: sizeLimit: {error}") from error
    return domain.EmptyDirVolume(name=name, in_memory=source.medium == "Memory", size_limit_bytes=limit)


def _notes(volume: kube.Volume, arrived: Arrived, policy: SitePolicy) -> Iterator[str]:
    if is_automatic(volume) and not policy.export_pod_data:
        yield f"volume {volume.name}: this site does not export pod data (ExportPodData: false), so it is empty"
    elif is_without_token(volume, arrived):
        yield f"volume {volume.name}: interLink has sent no service account token, so there is none in it"
