"""The fields of the Kubernetes API, and for each a pod that sets it."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

from sidecar.wire.field_table import ENTRIES
from sidecar.wire.fields import Entry, Treatment
from tests.factories import Json, a_container_json, a_pod_json

ROOT = Path(__file__).parents[1]


def _read() -> dict[str, str]:
    lines = (ROOT / "tests" / "data" / "kubernetes" / "pod-fields.txt").read_text("utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines if not line.startswith("#"))


API = _read()
"""Each field's path with its kind, such as ``list of string``."""
_ENTRIES = {entry.path: entry for entry in ENTRIES}
_PARENTS = {path.rpartition(".")[0] for path in API}


def deciding(path: str) -> Entry | None:
    """The entry that says what becomes of a field: its own, or one above it that is not honoured."""
    if path in _ENTRIES:
        return _ENTRIES[path]
    above = path
    while above := above.rpartition(".")[0]:
        if above in _ENTRIES:
            return None if _ENTRIES[above].treatment is Treatment.HONOURED else _ENTRIES[above]
    return None


_LITERALS: dict[str, object] = {
    "string": "x",
    "boolean": True,
    "integer": 1,
    "port": 80,
    "quantity": "1Gi",
    "map": {"example": "1"},
    "object": {"anything": "x"},
}
_MEANINGFUL: dict[str, object] = {
    "spec.restartPolicy": "OnFailure",
    "spec.hostUsers": False,
    "spec.dnsPolicy": "Default",
    "spec.dnsConfig.nameservers": "10.0.0.2",
    "spec.hostAliases.ip": "10.0.0.1",
    "spec.os": {"name": "linux"},
    "spec.os.name": "windows",
    "spec.securityContext.runAsUser": os.getuid(),
    "spec.securityContext.runAsGroup": os.getgid(),
    "spec.containers.securityContext.runAsUser": os.getuid(),
    "spec.containers.securityContext.runAsGroup": os.getgid(),
    "spec.containers.workingDir": "/tmp",
    "spec.containers.imagePullPolicy": "Never",
    "resources.limits": {"cpu": "2", "memory": "1Gi"},
    "resources.requests": {"cpu": "2", "memory": "1Gi"},
    "spec.overhead": {"cpu": "2", "memory": "1Gi"},
    "spec.containers.terminationMessagePath": "/tmp/last-words",
    "spec.containers.terminationMessagePolicy": "FallbackToLogsOnError",
    "spec.containers.lifecycle.stopSignal": "SIGUSR1",
    "spec.containers.restartPolicy": "Always",
    "httpGet.scheme": "HTTPS",
    "httpGet.protocol": "HTTP2",
    "grpc.mode": "TLS",
    "spec.containers.volumeMounts.name": "v",
    "spec.containers.volumeMounts.mountPath": "/elsewhere",
    "spec.volumes.name": "v",
    "spec.volumes.hostPath.path": "/scratch",
    "spec.volumes.hostPath.type": "Directory",
    "spec.volumes.emptyDir.medium": "Memory",
    "spec.volumes.configMap.name": "c",
    "spec.volumes.secret.secretName": "s",
    "spec.volumes.persistentVolumeClaim.claimName": "c",
    "sources.configMap.name": "c",
    "sources.secret.name": "s",
    "spec.containers.volumeMounts.recursiveReadOnly": "IfPossible",
    "serviceAccountToken.path": "path",
    "resourceFieldRef.resource": "limits.cpu",
    "resourceFieldRef.containerName": "main",
    "fieldRef.fieldPath": "metadata.name",
    "fieldRef.apiVersion": "v1",
    "items.key": "key",
    "defaultMode": 0o400,
    "items.mode": 0o400,
}
"""Values that mean something, where the kind alone does not give one; by the last parts of the path."""
_MAIN = a_container_json(resources={"limits": {"cpu": "1"}})
_NEEDED: dict[str, Json] = {
    "spec.containers": _MAIN,
    "spec.volumes": {"name": "v"},
    "spec.containers.volumeMounts": {"name": "v", "mountPath": "/v"},
    "spec.containers.volumeDevices": {"name": "v", "devicePath": "/dev/v"},
    "spec.containers.env": {"name": "A"},
    "spec.containers.ports": {"containerPort": 80},
    "spec.volumes.hostPath": {"path": "/scratch"},
    "spec.volumes.configMap": {"name": "c"},
    "spec.volumes.secret": {"secretName": "s"},
    "spec.volumes.persistentVolumeClaim": {"claimName": "c"},
    "sources.configMap": {"name": "c"},
    "sources.secret": {"name": "s"},
    "serviceAccountToken": {"path": "path"},
    "livenessProbe": {"exec": {"command": ["true"]}},
    "readinessProbe": {"exec": {"command": ["true"]}},
    "startupProbe": {"exec": {"command": ["true"]}},
    "exec": {"command": ["true"]},
    "httpGet": {"port": 80},
    "httpHeaders": {"name": "x", "value": "y"},
    "tcpSocket": {"port": 80},
    "grpc": {"port": 80},
    "sleep": {"seconds": 1},
    "spec.imagePullSecrets": {"name": "registry"},
    "spec.hostAliases": {"ip": "10.0.0.1"},
    "fieldRef": {"fieldPath": "metadata.name"},
    "resourceFieldRef": {"resource": "limits.cpu"},
    "downwardAPI.items.resourceFieldRef": {"resource": "limits.cpu", "containerName": "main"},
    "items": {"key": "key", "path": "path"},
    "downwardAPI.items": {"path": "path", "fieldRef": {"fieldPath": "metadata.name"}},
}
"""What an object must have beside the field; by the last parts of its path."""
_HANDLERS = {"exec", "httpGet", "tcpSocket", "grpc", "sleep"}
RETRIEVED: Json = {
    "configMaps": [{"metadata": {"name": "c"}, "data": {"key": "text"}}],
    "secrets": [
        {"metadata": {"name": "s"}, "data": {"key": "dGV4dA=="}},
        {"metadata": {"name": "registry"}, "data": {".dockerconfigjson": "e30="}},
    ],
    "projectedvolumemaps": [{"metadata": {"name": "v"}, "data": {"path": "text"}}],
}
"""The contents of the volumes in :func:`a_pod_that_sets`."""


def a_pod_that_sets(path: str, *, pod_uid: str) -> Json:
    """A pod that is valid but for what this field may do to it."""
    spec: Json = _object_with(path, "spec")
    spec.setdefault("containers", [copy.deepcopy(_MAIN)])
    main = spec["containers"][0]
    if path.startswith("spec.volumes"):
        main["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    if path.startswith("spec.containers.volume"):
        spec["volumes"] = [{"name": "v", "emptyDir": {}}]
    return a_pod_json(pod_uid=pod_uid, **spec)


def _object_with(path: str, above: str) -> Json:
    """The object at ``above``, a part of ``path``, with everything down to the path's own field."""
    value: Json = copy.deepcopy(_by_suffix(_NEEDED, above, {}))
    name = path.removeprefix(f"{above}.").split(".")[0]
    if name in _HANDLERS:  # one at a time
        value = {other: needed for other, needed in value.items() if other not in _HANDLERS}
    below = f"{above}.{name}"
    inner: Any = _value(path) if below == path else _object_with(path, below)
    value[name] = [inner] if API[below].startswith("list of ") else inner
    return value


def _value(path: str) -> object:
    kind = API[path].removeprefix("list of ")
    value = _by_suffix(_MEANINGFUL, path, None)
    if value is None and path in _PARENTS:
        return _by_suffix(_NEEDED, path, None) or _something_in(path)
    return _LITERALS[kind] if value is None else value


def _something_in(path: str) -> Json:
    """An object with one field in it, an honoured one if there is any."""
    below = [field for field in API if field.startswith(f"{path}.") and field not in _PARENTS]
    honoured = [field for field in below if (entry := deciding(field)) and entry.treatment is Treatment.HONOURED]
    return _object_with((honoured or below)[0], path)


def _by_suffix(table: dict[str, Any], path: str, otherwise: Any) -> Any:
    found = [suffix for suffix in table if path == suffix or path.endswith(f".{suffix}")]
    return table[max(found, key=len)] if found else otherwise
