"""Bodies of requests, as interLink sends them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Json = dict[str, Any]

CONTAINER = "main"
NAMESPACE = "bench"


def new_pod(image: str, command: list[str], *, flags: str) -> Json:
    """A v1.Pod with what every pod of a cluster carries: service variables, tolerations, managed fields, conditions.

    :param flags: options for sbatch
    """
    uid = str(uuid.uuid4())
    return {
        "metadata": {
            "name": f"bench-{uid[:8]}",
            "namespace": NAMESPACE,
            "uid": uid,
            "resourceVersion": "499",
            "creationTimestamp": "2026-11-24T02:30:13Z",
            "annotations": {"slurm-job.vk.io/flags": flags},
            "managedFields": _managed_fields(),
        },
        "spec": {
            "containers": [_container(image, command)],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "nodeSelector": {"kubernetes.io/hostname": "virtual-kubelet"},
            "serviceAccountName": "default",
            "nodeName": "virtual-kubelet",
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": "virtual-node.interlink/no-schedule", "operator": "Exists", "effect": "NoSchedule"},
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"},
            ],
            "priority": 0,
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
        },
        "status": {
            "phase": "Pending",
            "conditions": [{"type": "Initialized", "status": "True"}],
            "qosClass": "Burstable",
        },
    }


def _managed_fields() -> list[Json]:
    fields: Json = {f"f:{name}": {} for name in ("args", "command", "image", "imagePullPolicy", "name", "resources")}
    spec = {"f:containers": {f'k:{{"name":"{CONTAINER}"}}': fields}, "f:restartPolicy": {}, "f:tolerations": {}}
    return [{"manager": "kubectl", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:spec": spec}}]


def _container(image: str, command: list[str]) -> Json:
    services = {
        "KUBERNETES_PORT": "tcp://127.0.0.1:6443",
        "KUBERNETES_SERVICE_PORT": "6443",
        "KUBERNETES_PORT_443_TCP_ADDR": "127.0.0.1",
        "KUBERNETES_PORT_443_TCP_PORT": "6443",
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
    }
    return {
        "name": CONTAINER,
        "image": image,
        "command": command,
        "env": [{"name": name, "value": value} for name, value in services.items()],
        "resources": {"requests": {"cpu": "1", "memory": "32Mi"}},
        "imagePullPolicy": "IfNotPresent",
    }


def with_read_only_root(pod: Json) -> Json:
    """The pod, its container's root file system read-only."""
    return _with_container(pod, {"securityContext": {"readOnlyRootFilesystem": True}})


def with_folder(pod: Json, folder: Path, mount_path: str) -> Json:
    """The pod, a folder of the node mounted in its container."""
    mounted = _with_container(pod, {"volumeMounts": [{"name": "folder", "mountPath": mount_path}]})
    volume = {"name": "folder", "hostPath": {"path": str(folder), "type": "Directory"}}
    return mounted | {"spec": mounted["spec"] | {"volumes": [volume]}}


def _with_container(pod: Json, fields: Json) -> Json:
    (container,) = pod["spec"]["containers"]
    return pod | {"spec": pod["spec"] | {"containers": [container | fields]}}


def create_body(pod: Json) -> bytes:
    """The body of ``/create``."""
    return json.dumps({"pod": pod, "container": [{"name": CONTAINER}]}).encode()


def status_body(pods: Iterable[Json]) -> bytes:
    """The body of ``/status`` with whole pods, as the virtual kubelet sends them."""
    return json.dumps(list(pods)).encode()


def names_body(uids: Iterable[str]) -> bytes:
    """The body of ``/status`` with no more of each pod than the answer needs."""
    spec = {"containers": [{"name": CONTAINER}]}
    pods = [{"metadata": {"name": "bench", "namespace": NAMESPACE, "uid": uid}, "spec": spec} for uid in uids]
    return json.dumps(pods).encode()


def logs_body(pod: Json) -> bytes:
    """The body of ``/getLogs`` for all of the container's log."""
    metadata = pod["metadata"]
    names = {"Namespace": NAMESPACE, "PodUID": metadata["uid"], "PodName": metadata["name"]}
    return json.dumps(names | {"ContainerName": CONTAINER, "Opts": {}}).encode()


def delete_body(pod: Json) -> bytes:
    """The body of ``/delete``."""
    return json.dumps(pod).encode()
