"""The contents of a container's volumes, in the form interLink sends them.

Source: https://github.com/interlink-hq/interLink/blob/main/pkg/interlink/types.go, ``RetrievedContainer``
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.cli import shapes
from sidecar.cli.objects import CONFIG_MAP, SECRET, Objects, Stored
from sidecar.errors import UnsupportedPod
from sidecar.wire.kubernetes import Projection


def retrieved(container: shapes.Container, volumes: Mapping[str, shapes.Volume], objects: Objects) -> dict[str, Any]:
    """The entry of one container, with every ConfigMap and Secret in the volumes that it mounts.

    The daemon puts projected volumes together from these, where interLink would have done it.

    :raises UnsupportedPod: a ConfigMap or a Secret is missing and not optional
    """
    names = dict.fromkeys(mount.name for mount in container.volume_mounts or [])
    mounted = [volumes[name] for name in names if name in volumes]
    found = {(s.kind, s.name): s.wire for volume in mounted for s in _stored(volume, objects) if s is not None}
    return {
        "name": container.name,
        "configMaps": [wire for (kind, _), wire in found.items() if kind == CONFIG_MAP] or None,
        "projectedvolumemaps": None,
        "secrets": [wire for (kind, _), wire in found.items() if kind == SECRET] or None,
        "emptyDirs": None,
    }


def _stored(volume: shapes.Volume, objects: Objects) -> Iterator[Stored | None]:
    where = f"volume {volume.name}"
    if source := volume.config_map:
        yield objects.get(CONFIG_MAP, source.name, where, optional=source.optional)
    if secret := volume.secret:
        yield objects.get(SECRET, secret.secret_name, where, optional=secret.optional)
    for projection in (volume.projected and volume.projected.sources) or []:
        yield _projected(projection, where, objects)


def _projected(source: Projection, where: str, objects: Objects) -> Stored | None:
    if source.config_map:
        return objects.get(CONFIG_MAP, source.config_map.name, where, optional=source.config_map.optional)
    if source.secret:
        return objects.get(SECRET, source.secret.name, where, optional=source.secret.optional)
    if source.downward_api:
        return None
    raise UnsupportedPod(
        f"{where}: only configMap, secret and downwardAPI can be projected outside Kubernetes; "
        "remove service account tokens and trust bundles from the manifest"
    )
