"""The files of ConfigMap, Secret, downwardAPI and projected volumes.

interLink sends ConfigMaps and Secrets as they are. Of a projected volume it sends the files, under the volume's name:
tokens, texts of ConfigMaps and some of the pod's own fields. It leaves out Secrets, binary data, resources and single
labels, so what can be had another way is put in here. With its setting DisableProjectedVolumes it sends none at all.

Source: https://github.com/interlink-hq/interLink/blob/main/pkg/virtualkubelet/execute.go
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from sidecar.domain.downward import Downward
from sidecar.domain.pod import VolumeFile
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import kubernetes as kube

_DEFAULT_MODE = 0o644
_AUTOMATIC = "kube-api-access-"
"""Kubernetes mounts such a volume into every container, with a token that only few programs use.

Source: https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
"""
Files = dict[str, VolumeFile]


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came along with a pod."""

    config_maps: Mapping[str, kube.ConfigMap] = field(repr=False)
    secrets: Mapping[str, kube.Secret] = field(repr=False)
    projected: Mapping[str, kube.ConfigMap] = field(repr=False)
    downward: Downward = field(repr=False)

    @classmethod
    def of(cls, retrieved: Sequence[kube.RetrievedContainer], downward: Downward) -> Arrived:
        """Every container has its own list; what several mount is in several of them."""
        return cls(
            config_maps={c.metadata.name: c for r in retrieved for c in r.configMaps or []},
            secrets={s.metadata.name: s for r in retrieved for s in r.secrets or []},
            projected={c.metadata.name: c for r in retrieved for c in r.projectedvolumemaps or []},
            downward=downward,
        )


def files_of(volume: kube.Volume, container: str, arrived: Arrived) -> tuple[VolumeFile, ...]:
    """All files of one volume.

    :param container: one that mounts it; a ``resourceFieldRef`` without a name means that one
    :raises UnsupportedPod: something has not arrived, or is not known here
    """
    where = f"volume {volume.name}"
    if source := volume.config_map:
        content = _config_map(where, source.name, arrived, optional=bool(source.optional))
        files = _selected(f"{where}: configMap {source.name}", content, source, _mode(source.default_mode))
    elif secret := volume.secret:
        content = _secret(where, secret.secret_name, arrived, optional=bool(secret.optional))
        files = _selected(f"{where}: secret {secret.secret_name}", content, secret, _mode(secret.default_mode))
    else:
        files = _Projected(volume, container, arrived).files()
    return tuple(files.values())


def is_automatic(volume: kube.Volume) -> bool:
    """Whether it is the volume with a token that Kubernetes adds to every pod."""
    return volume.name.startswith(_AUTOMATIC) and volume.projected is not None


def is_without_token(volume: kube.Volume, arrived: Arrived) -> bool:
    """Whether that volume came without its token."""
    return is_automatic(volume) and volume.name not in arrived.projected


class _Projected:
    """A projected volume, or a downwardAPI volume, which is one with a single source."""

    def __init__(self, volume: kube.Volume, container: str, arrived: Arrived) -> None:
        self._where = f"volume {volume.name}"
        self._container = container
        self._arrived = arrived
        self._lenient = is_without_token(volume, arrived)
        source = volume.projected or kube.ProjectedSource(
            sources=[kube.Projection(downward_api=volume.downward_api)],
            default_mode=volume.downward_api.default_mode if volume.downward_api else None,
        )
        self._mode = _mode(source.default_mode)
        self._sources = source.sources or []
        sent = arrived.projected.get(volume.name)
        self._is_sent = sent is not None
        self._sent = _contents(sent, self._where) if sent else {}

    def files(self) -> Files:
        """Of sources that give one path, the last wins."""
        files = {path: _file(self._where, path, content, self._mode) for path, content in self._sent.items()}
        for source in self._sources:
            files |= self._files(source)
        return files

    def _files(self, source: kube.Projection) -> Files:
        if source.config_map:
            return self._object("configMap", source.config_map)
        if source.secret:
            return self._object("secret", source.secret)
        if source.downward_api:
            return {item.path: self._field(item) for item in source.downward_api.items or []}
        if source.service_account_token:
            return self._must_be_sent("serviceAccountToken", source.service_account_token.path)
        return {}

    def _object(self, kind: str, source: kube.ProjectedObject) -> Files:
        where = f"{self._where}: {kind} {source.name}"
        content = self._content(kind, source)
        if content is not None:
            return _selected(where, content, source, self._mode)
        if source.items is None and self._is_sent and kind == "configMap":
            return {}  # its keys are among the files that were sent, and nothing says which
        files: Files = {}
        for item in source.items or []:
            if item.path in self._sent:
                files[item.path] = _file(where, item.path, self._sent[item.path], _mode(item.mode, self._mode))
        if len(files) < len(source.items or ["all"]) and not source.optional and not self._lenient:
            self._refuse(kind, f"{kind} {source.name}")
        return files

    def _content(self, kind: str, source: kube.ProjectedObject) -> Mapping[str, bytes] | None:
        """The whole object, where a volume of its own brought it along."""
        if kind == "secret":
            secret = self._arrived.secrets.get(source.name)
            return None if secret is None else _secret_contents(secret, self._where)
        found = self._arrived.config_maps.get(source.name)
        return None if found is None else _contents(found, self._where)

    def _field(self, item: kube.DownwardItem) -> VolumeFile:
        mode = _mode(item.mode, self._mode)
        content = self._sent.get(item.path)
        if content is None:
            content = self._value(item).encode()
        return _file(self._where, item.path, content, mode)

    def _value(self, item: kube.DownwardItem) -> str:
        downward = self._arrived.downward
        if item.field_ref:
            return downward.file(item.field_ref.field_path, self._where)
        if ref := item.resource_field_ref:
            return downward.resource(ref.resource, ref.container_name or self._container, str(ref.divisor), self._where)
        raise MalformedRequest(f"{self._where}: downwardAPI {item.path!r} needs fieldRef or resourceFieldRef")

    def _must_be_sent(self, kind: str, path: str) -> Files:
        if path not in self._sent and not self._lenient:
            self._refuse(kind, kind)
        return {}

    def _refuse(self, kind: str, what: str) -> NoReturn:
        if kind == "secret":
            hint = "interLink sends no Secrets of projected volumes; mount it as a volume of its own as well"
        else:
            hint = "does it exist in the pod's namespace, and is interLink's DisableProjectedVolumes off?"
        raise UnsupportedPod(f"{self._where}: {what} did not arrive with the pod; {hint}")


def _config_map(where: str, name: str, arrived: Arrived, *, optional: bool) -> Mapping[str, bytes]:
    found = arrived.config_maps.get(name)
    return _contents(found, where) if found else _absent(where, f"configMap {name}", optional=optional)


def _secret(where: str, name: str, arrived: Arrived, *, optional: bool) -> Mapping[str, bytes]:
    found = arrived.secrets.get(name)
    return _secret_contents(found, where) if found else _absent(where, f"secret {name}", optional=optional)


def _absent(where: str, what: str, *, optional: bool) -> Mapping[str, bytes]:
    if optional:
        return {}
    raise UnsupportedPod(f"{where}: {what} did not arrive with the pod; does it exist in the pod's namespace?")


def _contents(found: kube.ConfigMap, where: str) -> dict[str, bytes]:
    texts = {key: text.encode() for key, text in (found.data or {}).items()}
    return texts | {key: _base64(text, where, key) for key, text in (found.binary_data or {}).items()}


def _secret_contents(found: kube.Secret, where: str) -> dict[str, bytes]:
    return {key: _base64(text, where, key) for key, text in (found.data or {}).items()}


def _selected(
    where: str,
    content: Mapping[str, bytes],
    source: kube.ConfigMapSource | kube.SecretSource | kube.ProjectedObject,
    mode: int,
) -> Files:
    if source.items is None:
        return {key: _file(where, key, data, mode) for key, data in content.items()}
    return {file.path: file for file in _chosen(where, content, source.items, mode, optional=bool(source.optional))}


def _chosen(
    where: str, content: Mapping[str, bytes], items: Sequence[kube.KeyToPath], mode: int, *, optional: bool
) -> Iterator[VolumeFile]:
    for item in items:
        if item.key in content:
            yield _file(where, item.path, content[item.key], _mode(item.mode, mode))
        elif not optional:
            raise UnsupportedPod(f"{where}: has no key {item.key!r}")


def _mode(stated: int | None, default: int = _DEFAULT_MODE) -> int:
    return default if stated is None else stated


def _file(where: str, path: str, content: bytes, mode: int) -> VolumeFile:
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "" in parts or "." in parts or "\0" in path:
        raise MalformedRequest(f"{where}: {path!r} is not a relative path without ..")
    if not 0 <= mode <= 0o777:
        raise MalformedRequest(f"{where}: mode {mode} of {path!r} is not between 0 and 0777")
    return VolumeFile(path=path, content=content, mode=mode)


def _base64(text: str, where: str, key: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest(f"{where}: the content of key {key!r} is not base64") from None
