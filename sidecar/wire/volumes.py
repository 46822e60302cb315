"""The volumes of a request, with the contents that interLink sends along."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence

from sidecar.domain import pod as domain
from sidecar.domain import quantity
from sidecar.domain.plan import SitePolicy
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import decode
from sidecar.wire import kubernetes as kube

_HOST_PATH_TYPES = {
    "", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice",
}  # fmt: skip
_DEFAULT_MODE = 0o644


def read_volumes(
    spec: kube.PodSpec, retrieved: Sequence[kube.RetrievedContainer], policy: SitePolicy
) -> tuple[domain.Volume, ...]:
    """All volumes that a container mounts; one that none mounts is left out.

    :raises UnsupportedPod: a volume's content has not arrived, or a mount names no volume
    """
    volumes = {volume.name: volume for volume in spec.volumes or []}
    wanted = _mounted(spec)
    for name, container in wanted.items():
        if name not in volumes:
            raise MalformedRequest(f"container {container}: volumeMount {name}: the pod has no volume of that name")
    return tuple(_volume(volumes[name], retrieved, policy) for name in wanted)


def _mounted(spec: kube.PodSpec) -> dict[str, str]:
    """Names of the mounted volumes, each with a container that mounts it."""
    everyone = [*(spec.init_containers or []), *spec.containers]
    return {mount.name: c.name for c in everyone for mount in c.volume_mounts or []}


def _volume(volume: kube.Volume, retrieved: Sequence[kube.RetrievedContainer], policy: SitePolicy) -> domain.Volume:
    decode.label(volume.name, "$.pod.spec.volumes[].name")
    if volume.host_path:
        return _host_path(volume.name, volume.host_path)
    if volume.config_map or volume.secret or volume.projected:
        if not policy.export_pod_data:
            raise UnsupportedPod(f"volume {volume.name}: this site does not export pod data (ExportPodData: false)")
        return domain.FilesVolume(name=volume.name, files=tuple(_files(volume, retrieved)))
    return _empty_dir(volume.name, volume.empty_dir or kube.EmptyDirSource())


def _host_path(name: str, source: kube.HostPathSource) -> domain.HostPathVolume:
    where = f"volume {name}: hostPath"
    if not source.path.startswith("/") or ".." in source.path.split("/") or "\n" in source.path:
        raise UnsupportedPod(f"{where}: path must be absolute and without ..")
    if (source.type or "") not in _HOST_PATH_TYPES:
        raise MalformedRequest(f"{where}: type {source.type!r} is not one of Kubernetes' types")
    return domain.HostPathVolume(name=name, path=source.path.rstrip("/") or "/", type=source.type or "")


def _empty_dir(name: str, source: kube.EmptyDirSource) -> domain.EmptyDirVolume:
    if source.medium not in (None, "", "Memory"):
        raise UnsupportedPod(f"volume {name}: emptyDir: medium {source.medium!r} is not supported")
    try:
        limit = None if source.size_limit is None else quantity.ceil(quantity.parse(str(source.size_limit)))
    except ValueError as error:
        raise MalformedRequest(f"volume {name}: emptyDir: sizeLimit: {error}") from error
    return domain.EmptyDirVolume(name=name, in_memory=source.medium == "Memory", size_limit_bytes=limit)


def _files(volume: kube.Volume, retrieved: Sequence[kube.RetrievedContainer]) -> Iterable[domain.VolumeFile]:
    where = f"volume {volume.name}"
    if volume.projected:
        return _projected(where, volume.name, volume.projected, retrieved)
    if volume.config_map:
        source = volume.config_map
        content = _config_map(where, source.name, retrieved, optional=bool(source.optional))
        return _selected(f"{where}: configMap {source.name}", content, source)
    secret = volume.secret or kube.SecretSource()
    content = _secret(where, secret.secret_name, retrieved, optional=bool(secret.optional))
    return _selected(f"{where}: secret {secret.secret_name}", content, secret)


def _config_map(
    where: str, name: str, retrieved: Sequence[kube.RetrievedContainer], *, optional: bool
) -> Mapping[str, bytes]:
    for container in retrieved:
        for found in container.configMaps or []:
            if found.metadata.name == name:
                return _contents(found, where)
    return _absent(where, f"configMap {name}", optional=optional)


def _contents(found: kube.ConfigMap, where: str) -> dict[str, bytes]:
    texts = {key: text.encode() for key, text in (found.data or {}).items()}
    return texts | {key: _base64(text, where, key) for key, text in (found.binary_data or {}).items()}


def _secret(
    where: str, name: str, retrieved: Sequence[kube.RetrievedContainer], *, optional: bool
) -> Mapping[str, bytes]:
    for container in retrieved:
        for found in container.secrets or []:
            if found.metadata.name == name:
                return {key: _base64(text, where, key) for key, text in (found.data or {}).items()}
    return _absent(where, f"secret {name}", optional=optional)


def _projected(
    where: str,
    name: str,
    source: kube.ProjectedSource,
    retrieved: Sequence[kube.RetrievedContainer],
) -> Iterable[domain.VolumeFile]:
    """interLink has put the sources together already: file path to content, under the volume's own name."""
    content: Mapping[str, bytes] | None = None
    for container in retrieved:
        for found in container.projectedvolumemaps or []:
            if found.metadata.name == name:
                content = _contents(found, where)
    if content is None:
        content = _absent(where, "its projected files", optional=not source.sources)
    mode = _DEFAULT_MODE if source.default_mode is None else source.default_mode
    return [_file(where, path, data, mode) for path, data in content.items()]


def _absent(where: str, what: str, *, optional: bool) -> Mapping[str, bytes]:
    if optional:
        return {}
    raise UnsupportedPod(f"{where}: {what} did not arrive with the pod; does it exist in the pod's namespace?")


def _selected(
    where: str, content: Mapping[str, bytes], source: kube.ConfigMapSource | kube.SecretSource
) -> Iterable[domain.VolumeFile]:
    mode = _DEFAULT_MODE if source.default_mode is None else source.default_mode
    if source.items is None:
        return [_file(where, key, data, mode) for key, data in content.items()]
    files = []
    for item in source.items:
        if item.key in content:
            files.append(_file(where, item.path, content[item.key], mode if item.mode is None else item.mode))
        elif not source.optional:
            raise UnsupportedPod(f"{where}: has no key {item.key!r}")
    return files


def _file(where: str, path: str, content: bytes, mode: int) -> domain.VolumeFile:
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "" in parts or "." in parts or "\0" in path:
        raise MalformedRequest(f"{where}: {path!r} is not a relative path without ..")
    if not 0 <= mode <= 0o777:
        raise MalformedRequest(f"{where}: mode {mode} of {path!r} is not between 0 and 0777")
    return domain.VolumeFile(path=path, content=content, mode=mode)


def _base64(text: str, where: str, key: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest(f"{where}: the content of key {key!r} is not base64") from None
