"""The contents of a container's volumes, in the form interLink sends them.

Source: https://github.com/interlink-hq/interLink/blob/main/pkg/interlink/types.go, ``RetrievedContainer``
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sidecar.cli import shapes
from sidecar.cli.downward import Downward
from sidecar.cli.objects import CONFIG_MAP, SECRET, Objects, Stored, encoded
from sidecar.errors import UnsupportedPod
from sidecar.wire.kubernetes import KeyToPath


def retrieved(
    container: shapes.Container, volumes: Mapping[str, shapes.Volume], objects: Objects, downward: Downward
) -> dict[str, Any]:
    """The entry of one container, with every volume that it mounts.

    :raises UnsupportedPod: a ConfigMap, a Secret or a key is missing and not optional
    """
    names = dict.fromkeys(mount.name for mount in container.volume_mounts or [])
    mounted = [volumes[name] for name in names if name in volumes]
    return {
        "name": container.name,
        "configMaps": _found(_config_map(volume, objects) for volume in mounted),
        "projectedvolumemaps": _projected(mounted, container.name, objects, downward),
        "secrets": _found(_secret(volume, objects) for volume in mounted),
        "emptyDirs": None,
    }


def _found(stored: Iterator[Stored | None]) -> list[Mapping[str, Any]] | None:
    return [item.wire for item in stored if item is not None] or None


def _config_map(volume: shapes.Volume, objects: Objects) -> Stored | None:
    source = volume.config_map
    if source is None:
        return None
    return objects.get(CONFIG_MAP, source.name, f"volume {volume.name}", optional=source.optional)


def _secret(volume: shapes.Volume, objects: Objects) -> Stored | None:
    source = volume.secret
    if source is None:
        return None
    return objects.get(SECRET, source.secret_name, f"volume {volume.name}", optional=source.optional)


def _projected(
    volumes: Sequence[shapes.Volume], container: str, objects: Objects, downward: Downward
) -> list[dict[str, Any]] | None:
    maps = []
    for volume in volumes:
        if volume.projected is not None:
            files: dict[str, bytes] = {}
            for source in volume.projected.sources or []:
                files |= _files(source, f"volume {volume.name}", container, objects, downward)
            maps.append(_as_config_map(volume.name, files))
    return maps or None


def _files(
    source: shapes.Projection, where: str, container: str, objects: Objects, downward: Downward
) -> dict[str, bytes]:
    if source.config_map:
        return _selected(CONFIG_MAP, source.config_map, where, objects)
    if source.secret:
        return _selected(SECRET, source.secret, where, objects)
    if source.downward_api:
        items = source.downward_api.items or []
        return {item.path: _downward(item, where, container, downward) for item in items}
    raise UnsupportedPod(
        f"{where}: only configMap, secret and downwardAPI can be projected outside Kubernetes; "
        "remove service account tokens and trust bundles from the manifest"
    )


def _selected(kind: str, wanted: shapes.ProjectedObject, where: str, objects: Objects) -> dict[str, bytes]:
    stored = objects.get(kind, wanted.name, where, optional=wanted.optional)
    if stored is None:
        return {}
    if wanted.items is None:
        return dict(stored.content)
    present = [item for item in wanted.items if _is_there(item, stored, where, optional=wanted.optional)]
    return {item.path: stored.content[item.key] for item in present}


def _is_there(item: KeyToPath, stored: Stored, where: str, *, optional: bool | None) -> bool:
    if item.key not in stored.content and not optional:
        raise UnsupportedPod(f"{where}: {stored.kind} {stored.name!r} has no key {item.key!r}")
    return item.key in stored.content


def _downward(item: shapes.DownwardItem, where: str, container: str, downward: Downward) -> bytes:
    if item.field_ref:
        return downward.file(item.field_ref.field_path, where).encode()
    if item.resource_field_ref:
        return downward.resource(item.resource_field_ref, container, where).encode()
    raise UnsupportedPod(f"{where}: downwardAPI {item.path!r} needs fieldRef or resourceFieldRef")


def _as_config_map(volume: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    texts: dict[str, str] = {}
    binary: dict[str, str] = {}
    for path, content in files.items():
        try:
            texts[path] = content.decode()
        except UnicodeDecodeError:
            binary[path] = encoded(content)
    more = {"binaryData": binary} if binary else {}
    return {"metadata": {"name": volume, "creationTimestamp": None}, "data": texts, **more}
