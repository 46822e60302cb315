"""Kubernetes' controllers: the pod that each makes from the template in its object.

Sources: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/job/job_controller.go,
https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/cronjob/utils.go and
https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/controller_utils.go
"""

from __future__ import annotations

import secrets
import time
import uuid

from tests.virtual_kubelet.admission import Json

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def pod_of(document: Json) -> Json | None:
    """The pod that comes of an object; ``None`` of those that are no workload."""
    kind, metadata, spec = document["kind"], document["metadata"], document.get("spec", {})
    if kind == "Pod":
        return document
    if kind == "CronJob":
        name = f"{metadata['name']}-{int(time.time()) // 60}"
        return pod_of(spec["jobTemplate"] | {"kind": "Job", "metadata": {"name": name}})
    if kind == "Job":
        return _made(spec["template"], "Job", metadata["name"], {"batch.kubernetes.io/job-name": metadata["name"]})
    if kind == "Deployment":
        template_hash = _letters(10)
        name = f"{metadata['name']}-{template_hash}"
        return _made(spec["template"], "ReplicaSet", name, {"pod-template-hash": template_hash})
    return None


def _made(template: Json, owner_kind: str, owner: str, labels: dict[str, str]) -> Json:
    given = template.get("metadata", {})
    reference = {"kind": owner_kind, "name": owner, "uid": str(uuid.uuid4()), "controller": True}
    metadata = given | {
        "name": f"{owner}-{_letters(5)}",
        "generateName": f"{owner}-",
        "labels": given.get("labels", {}) | labels,
        "ownerReferences": [reference | {"apiVersion": "batch/v1" if owner_kind == "Job" else "apps/v1"}],
    }
    return {"kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _letters(number: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(number))
