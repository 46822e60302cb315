"""The answers to the ping (``/status`` with an empty list) and to ``/system-info``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from sidecar.cluster import Capacity, Snapshot
from sidecar.drain import DrainState
from sidecar.settings import Taint

DRAINING = Taint(key="slurm-job.vk.io/draining", value="true", effect="NoSchedule")
"""Keeps the scheduler from sending pods that would be refused; it does not touch those that are there."""


def answer(snapshot: Snapshot, taints: Sequence[Taint], drain: DrainState) -> bytes:
    """PingResponse. It is "ok" also while Slurm is slow: otherwise Kubernetes evicts the node's pods.

    The virtual kubelet replaces the node's taints by those that are sent and leaves them alone where none are, so a
    list without the drain's taint is what takes that taint away.
    """
    response: dict[str, Any] = {"status": "ok"}
    if snapshot.capacity is not None:
        response["resources"] = _resources(snapshot.capacity, draining=drain.draining)
    if taints or drain.was_used:
        shown = [*taints, DRAINING] if drain.draining else taints
        response["taints"] = [{"key": t.key, "value": t.value, "effect": t.effect} for t in shown]
    messages = [drain.sentence] if drain.draining else []
    if snapshot.error:
        messages.append(f"Slurm did not answer, these are the last known resources: {snapshot.error}")
    if messages:
        response["message"] = "; ".join(messages)
    return msgspec.json.encode(response)


def _resources(capacity: Capacity, *, draining: bool) -> dict[str, Any]:
    """A number of pods that is ours to send is 0 for a while: pods that tolerate every taint stay away as well."""
    pods = "0" if draining and capacity.pods else capacity.pods
    quantities = {"cpu": capacity.cpu, "memory": capacity.memory, "pods": pods}
    resources: dict[str, Any] = {name: value for name, value in quantities.items() if value}
    if capacity.accelerators:
        resources["accelerators"] = [
            {"resourceType": a.resource_type, "available": str(a.available)} for a in capacity.accelerators
        ]
    return resources


def system_info(snapshot: Snapshot, drain: DrainState, now: datetime) -> bytes:
    """What interLink shows of the plugin's cluster."""
    connected = snapshot.read_at is not None and not snapshot.error
    info = {
        "status": "ok" if connected else "error",
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "slurm_connected": connected,
        "sinfo_output": snapshot.text,
        "error": snapshot.error,
    }
    return msgspec.json.encode(info | {"draining": drain.sentence} if drain.draining else info)
