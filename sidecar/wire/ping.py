"""The answers to the ping (``/status`` with an empty list) and to ``/system-info``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from sidecar.cluster import Capacity, Snapshot
from sidecar.settings import Taint


def answer(snapshot: Snapshot, taints: Sequence[Taint]) -> bytes:
    """PingResponse. It is "ok" also while Slurm is slow: otherwise Kubernetes evicts the node's pods."""
    response: dict[str, Any] = {"status": "ok"}
    if snapshot.capacity is not None:
        response["resources"] = _resources(snapshot.capacity)
    if taints:
        response["taints"] = [{"key": t.key, "value": t.value, "effect": t.effect} for t in taints]
    if snapshot.error:
        response["message"] = f"Slurm did not answer, these are the last known resources: {snapshot.error}"
    return msgspec.json.encode(response)


def _resources(capacity: Capacity) -> dict[str, Any]:
    quantities = {"cpu": capacity.cpu, "memory": capacity.memory, "pods": capacity.pods}
    resources: dict[str, Any] = {name: value for name, value in quantities.items() if value}
    if capacity.accelerators:
        resources["accelerators"] = [
            {"resourceType": a.resource_type, "available": str(a.available)} for a in capacity.accelerators
        ]
    return resources


def system_info(snapshot: Snapshot, now: datetime) -> bytes:
    """What interLink shows of the plugin's cluster."""
    connected = snapshot.read_at is not None and not snapshot.error
    return msgspec.json.encode(
        {
            "status": "ok" if connected else "error",
            "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "slurm_connected": connected,
            "sinfo_output": snapshot.text,
            "error": snapshot.error,
        }
    )
