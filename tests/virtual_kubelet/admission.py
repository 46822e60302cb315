"""Kubernetes' own part: a manifest becomes the object that the API server stores, with every default filled in.

Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/v1/defaults.go
"""

from __future__ import annotations

import base64
import copy
import secrets
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

NODE = "virtual-kubelet"
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def admit_pod(manifest: Json, namespace: str) -> Json:
    """A pod as the virtual kubelet first sees it: scheduled to its node, not yet looked at."""
    document = copy.deepcopy(manifest)
    spec = document["spec"]
    account = f"kube-api-access-{secrets.token_hex(3)[:5]}"
    for container in containers_of(spec):
        _default_container(container, account)
    _default_spec(spec, account)
    return {
        "metadata": _metadata(document.get("metadata", {}), namespace, "Pod"),
        "spec": spec,
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


def admit_data(manifest: Json, namespace: str) -> Json:
    """A ConfigMap or a Secret; what a Secret states in ``stringData`` is stored as base64."""
    document = copy.deepcopy(manifest)
    stored = {"metadata": _metadata(document.get("metadata", {}), namespace, "Data")}
    if document["kind"] == "Secret":
        plain = document.pop("stringData", {})
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
        return stored | {"data": document.get("data", {}) | encoded, "type": document.get("type", "Opaque")}
    return stored | {key: document[key] for key in ("data", "binaryData") if key in document}


def containers_of(spec: Json) -> Iterable[Json]:
    """Init containers first, then main containers."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def _metadata(given: Json, namespace: str, kind: str) -> Json:
    created = now()
    identity = {
        "name": given["name"],
        "namespace": given.get("namespace", namespace),
        "uid": given.get("uid", str(uuid.uuid4())),
        "resourceVersion": str(secrets.randbelow(10**6)),
        "creationTimestamp": created,
    }
    manager = {
        "manager": "kubectl-client-side-apply",
        "operation": "Update",
        "apiVersion": "v1",
        "time": created,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {".": {}, "f:containers": {}}} if kind == "Pod" else {"f:data": {".": {}}},
    }
    generation = {"generation": 1} if kind == "Pod" else {}
    kept = ("labels", "annotations", "generateName", "ownerReferences")
    own = {key: given[key] for key in kept if key in given}
    return identity | generation | own | {"managedFields": [manager]}


def _default_container(container: Json, account: str) -> None:
    image = container["image"]
    tag = "" if "@" in image else image.rpartition("/")[2].partition(":")[2] or "latest"
    container.setdefault("imagePullPolicy", "Always" if tag == "latest" else "IfNotPresent")
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    resources = container.setdefault("resources", {})
    if "limits" in resources:
        resources["requests"] = resources["limits"] | resources.get("requests", {})
    mounts = container.setdefault("volumeMounts", [])
    if all(mount["mountPath"] != TOKEN_PATH for mount in mounts):
        mounts.append({"name": account, "readOnly": True, "mountPath": TOKEN_PATH})


def _default_spec(spec: Json, account: str) -> None:
    defaults = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "nodeSelector": {"kubernetes.io/hostname": NODE},
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "nodeName": NODE,
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "tolerations": _tolerations(),
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }
    for key, value in defaults.items():
        spec.setdefault(key, value)
    for volume in spec.setdefault("volumes", []):
        _default_volume(volume)
    spec["volumes"].append({"name": account, "projected": {"sources": _account_sources(), "defaultMode": 0o644}})


def _default_volume(volume: Json) -> None:
    for kind in ("configMap", "secret", "projected", "downwardAPI"):
        if kind in volume:
            volume[kind].setdefault("defaultMode", 0o644)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")


def _tolerations() -> list[Json]:
    patient = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in ("not-ready", "unreachable")
    ]
    return [{"key": "virtual-node.interlink/no-schedule", "operator": "Exists", "effect": "NoSchedule"}, *patient]


def _account_sources() -> list[Json]:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
