"""The body of ``/delete``."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.wire import decode
from sidecar.wire import kubernetes as kube


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRequest:
    """Which pod, and how long it may take to end."""

    uid: str
    grace_seconds: int | None
    """``None``: as long as the pod itself says."""


def read(body: bytes) -> DeleteRequest:
    """Check and convert a request.

    :raises MalformedRequest: it is no pod, or an identifier has not Kubernetes' form
    """
    metadata = decode.decode(body, kube.PodIdentity).metadata
    decode.label(metadata.namespace or "default", "$.metadata.namespace")
    grace = metadata.deletion_grace_period_seconds
    return DeleteRequest(
        uid=decode.pod_uid(metadata.uid, "$.metadata.uid"),
        grace_seconds=None if grace is None or grace < 0 else min(grace, decode.MOST_SECONDS),
    )
