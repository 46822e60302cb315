"""What the virtual kubelet and interLink's API server gather for one pod before the sidecar gets its ``/create``.

The virtual kubelet's library resolves every environment variable, also ``$(VAR)``, to plain values:
https://github.com/virtual-kubelet/virtual-kubelet/blob/master/internal/podutils/env.go. Then interLink adds the
variables of the Kubernetes service and fetches the volumes' contents; its API server sorts them by container.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Mapping
from typing import Any

from tests.virtual_kubelet.admission import Json, containers_of

REFERENCE = re.compile(r"\$(?:(\$)|\(([-._A-Za-z][-._A-Za-z0-9]*)\))")
"""``$$`` or ``$(NAME)``: https://github.com/kubernetes/kubernetes/blob/master/third_party/forked/golang/expansion."""
KUBERNETES = {
    "KUBERNETES_PORT": "tcp://127.0.0.1:6443",
    "KUBERNETES_SERVICE_PORT": "6443",
    "KUBERNETES_PORT_443_TCP_ADDR": "127.0.0.1",
    "KUBERNETES_PORT_443_TCP_PORT": "6443",
    "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
    "KUBERNETES_PORT_443_TCP": "tcp://127.0.0.1:6443",
    "KUBERNETES_SERVICE_PORT_HTTPS": "6443",
    "KUBERNETES_SERVICE_HOST": "127.0.0.1",
}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nbm90IGEgcmVhbCBvbmU=\n-----END CERTIFICATE-----\n"
JOB_CONFIG: Json = {
    "SingularityHubProxy": {"server": "", "master_token": "", "cache_validity_seconds": 0},
    "ApptainerOptions": {"executable": "", "fuseMode": ""}
    | dict.fromkeys(
        ("fakeroot", "containall", "noInit", "noHome", "noPrivs", "nvidiaSupport", "cleanenv", "unsquash"), False
    ),
    "Volumes": {
        "scratch_area": "",
        "apptainer_cachedir": "",
        "image_dir": "",
        "additional_directories_in_path": None,
        "fuse_sleep_seconds": 0,
    },
}
"""Sent by every version, with zero values where nobody has set it up."""


class NotFound(Exception):
    """The pod refers to a ConfigMap or Secret that does not exist."""


class Objects:
    """ConfigMaps and Secrets of one namespace."""

    def __init__(self, config_maps: Mapping[str, Json], secrets: Mapping[str, Json]) -> None:
        self._of = {"ConfigMap": config_maps, "Secret": secrets}

    def get(self, kind: str, name: str) -> Json:
        """One of them.

        :raises NotFound: there is none of that name; the virtual kubelet waits five minutes before it says so
        """
        if name not in self._of[kind]:
            raise NotFound(f"unable to retrieve ConfigMaps or Secrets after 5m. Check logs ({kind} {name})")
        return self._of[kind][name]

    def text(self, kind: str, name: str, key: str) -> str | None:
        """The value of a key, or ``None``."""
        value: str | None = self.get(kind, name).get("data", {}).get(key)
        return base64.b64decode(value).decode() if value is not None and kind == "Secret" else value


def create_body(pod: Json, objects: Objects) -> Json:
    """The body of ``/create``: init containers first, then containers, each with what it mounts."""
    offered = copy.deepcopy(pod)
    for container in containers_of(offered["spec"]):
        _resolve_environment(container, offered, objects)
    _downward_volumes_become_projected(offered["spec"])
    return {
        "pod": offered,
        "container": [_retrieved(container, offered, objects) for container in containers_of(offered["spec"])],
        "jobConfig": JOB_CONFIG,
    }


def _resolve_environment(container: Json, pod: Json, objects: Objects) -> None:
    values: dict[str, str] = {}
    for source in container.pop("envFrom", []):
        values |= _imported(source, objects)
    for variable in container.get("env", []):
        value = _value(variable, values, pod, objects)
        if value is not None:
            values[variable["name"]] = value
    # They come out of a Go map: in any order, so in another one than the pod's; and Go leaves an empty text out.
    resolved = sorted(values.items()) + list(KUBERNETES.items())
    container["env"] = [{"name": name} | ({"value": value} if value else {}) for name, value in resolved]


def _imported(source: Json, objects: Objects) -> dict[str, str]:
    kind, reference = (
        ("ConfigMap", source["configMapRef"]) if "configMapRef" in source else ("Secret", source["secretRef"])
    )
    keys = objects.get(kind, reference["name"]).get("data", {})
    texts = {key: objects.text(kind, reference["name"], key) for key in keys}
    return {source.get("prefix", "") + key: text for key, text in texts.items() if text is not None}


def _value(variable: Json, before: Mapping[str, str], pod: Json, objects: Objects) -> str | None:
    origin = variable.get("valueFrom")
    if origin is None:
        return expand(variable.get("value", ""), before)
    for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if key in origin:
            return objects.text(kind, origin[key]["name"], origin[key]["key"])
    if "fieldRef" not in origin:
        return None  # of resources and files the library makes nothing
    return field(pod, origin["fieldRef"]["fieldPath"])


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` where the name is known, and ``$$`` by ``$``."""
    return REFERENCE.sub(lambda match: match[1] or values.get(match[2], match[0]), text)


def field(pod: Json, path: str) -> str:
    """What the downward API says about a pod."""
    value: Any = pod
    for name in path.split("."):
        value = value.get(name, "")
    return str(value)


def _downward_volumes_become_projected(spec: Json) -> None:
    for volume in spec["volumes"]:
        if "downwardAPI" in volume:
            source = volume.pop("downwardAPI")
            sources = [{"downwardAPI": {"items": source["items"]}}]
            volume["projected"] = {"sources": sources, "defaultMode": source["defaultMode"]}


def _retrieved(container: Json, pod: Json, objects: Objects) -> Json:
    found: dict[str, list[Json]] = {"configMaps": [], "projectedvolumemaps": [], "secrets": []}
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        if "configMap" in volume:
            found["configMaps"].append(objects.get("ConfigMap", volume["configMap"]["name"]))
        elif "secret" in volume:
            found["secrets"].append(objects.get("Secret", volume["secret"]["secretName"]))
        elif "projected" in volume:
            data = _projected(volume["projected"]["sources"], pod, objects)
            metadata = {"name": volume["name"], "creationTimestamp": None}
            found["projectedvolumemaps"].append({"metadata": metadata, "data": data})
    # Go writes a list that nobody has touched as null.
    return {"name": container["name"]} | {key: maps or None for key, maps in found.items()} | {"emptyDirs": None}


def _projected(sources: list[Json], pod: Json, objects: Objects) -> dict[str, str]:
    """The files of a projected volume; interLink passes over Secrets in it."""
    files: dict[str, str] = {}
    for source in sources:
        if "serviceAccountToken" in source:
            files[source["serviceAccountToken"]["path"]] = "eyJhbGciOiJub25lIn0.e30."
        elif "configMap" in source:
            files |= _projected_config_map(source["configMap"], objects)
        elif "downwardAPI" in source:
            files |= _downward_files(source["downwardAPI"]["items"], pod)
    return files


def _downward_files(items: list[Json], pod: Json) -> dict[str, str]:
    """interLink passes over resources, and over single labels and annotations."""
    files = {}
    for item in items:
        path = item.get("fieldRef", {}).get("fieldPath", "")
        if path in ("metadata.labels", "metadata.annotations"):
            values = pod["metadata"].get(path.partition(".")[2], {})
            files[item["path"]] = "".join(f"{key}={json.dumps(values[key])}\n" for key in sorted(values))
        elif path and "[" not in path:
            files[item["path"]] = field(pod, path)
    return files


def _projected_config_map(source: Json, objects: Objects) -> dict[str, str]:
    if source["name"] == "kube-root-ca.crt":
        return {item["path"]: CERTIFICATE for item in source["items"]}
    data: dict[str, str] = objects.get("ConfigMap", source["name"]).get("data", {})
    items = source.get("items") or [{"key": key, "path": key} for key in data]
    return {item["path"]: data[item["key"]] for item in items}
