"""Pods and their histories, for people and for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from sidecar.cli.console import age, iso, local, note, print_json, print_table, say
from sidecar.cli.records import Recorded
from sidecar.cli.sentences import sentence
from sidecar.domain.state import ContainerState, ContainerStatus, PodState

_COLORS = {"Running": "green", "Done": "dim green", "Failed": "red", "Pending": "yellow", "Submitted": "yellow"}
_HEAD = ("NAME", "NAMESPACE", "PHASE", "JOB", "RESTARTS", "AGE", "NODES", "REASON", "UID")


def show_pods(pods: Sequence[PodState], *, as_json: bool, now: datetime) -> None:
    """A table of pods."""
    if as_json:
        print_json([pod_as_json(pod) for pod in pods])
    elif pods:
        print_table(_HEAD, [_row(pod, now) for pod in pods], colors=_COLORS)
    else:
        note("no pods; --all also shows deleted ones")


def _row(pod: PodState, now: datetime) -> tuple[str, ...]:
    return (
        pod.name,
        pod.namespace,
        _phase(pod),
        pod.job_id or "-",
        str(sum(c.attempt for c in pod.containers)),
        age((now - pod.accepted_at).total_seconds()),
        pod.nodes or "-",
        reason_of(pod) or "-",
        pod.uid[:8] if sys.stdout.isatty() else pod.uid,  # narrow, and enough to name the pod
    )


def _phase(pod: PodState) -> str:
    if pod.phase.is_final:
        return str(pod.phase)
    if pod.is_deleted:
        return f"{pod.phase}, deleting"
    # The containers' ends are known at once, Slurm's verdict a moment later.
    ended = all(c.status is ContainerStatus.TERMINATED for c in pod.containers)
    return "Completing" if ended else str(pod.phase)


def reason_of(pod: PodState) -> str:
    """Why the pod is where it is, in a word or two."""
    waiting = next((c.reason for c in pod.containers if c.reason and c.attempt), "")
    return pod.reason or waiting


def pod_as_json(pod: PodState) -> dict[str, Any]:
    """What is known about a pod; nothing in it is secret."""
    return {
        "uid": pod.uid,
        "namespace": pod.namespace,
        "name": pod.name,
        "phase": str(pod.phase),
        "reason": pod.reason,
        "message": pod.message,
        "job_id": pod.job_id or None,
        "job_name": pod.job_name,
        "nodes": pod.nodes,
        "slurm_state": pod.slurm_state,
        "accepted_at": iso(pod.accepted_at),
        "submitted_at": iso(pod.submitted_at),
        "started_at": iso(pod.started_at),
        "finished_at": iso(pod.finished_at),
        "deletion_requested_at": iso(pod.deletion_requested_at),
        "files_removed": pod.files_removed,
        "containers": [_container_as_json(container) for container in pod.containers],
        "usage": msgspec.to_builtins(pod.usage) if pod.usage else None,
        "notes": list(pod.notes),
    }


def _container_as_json(container: ContainerState) -> dict[str, Any]:
    ended = container.termination
    return {
        "name": container.name,
        "role": str(container.role),
        "image": container.image,
        "status": str(container.status),
        "reason": ended.reason if ended else container.reason,
        "message": ended.message if ended else container.message,
        "exit_code": ended.exit_code if ended else None,
        "restart_count": container.attempt,
        "started_at": iso(container.started_at),
        "finished_at": iso(ended.finished_at) if ended else None,
    }


def show_history(pod: PodState, events: Sequence[Recorded], *, as_json: bool) -> None:
    """A pod's timeline."""
    if as_json:
        print_json({"pod": pod_as_json(pod), "events": [_event_as_json(item) for item in events]})
        return
    job = f", job {pod.job_id}" if pod.job_id else ""
    deleted = ", deleted" if pod.is_deleted else ""
    say(f"pod {pod.namespace}/{pod.name} {pod.uid}: {pod.phase}{job}{deleted}")
    rows = [(local(item.occurred_at), item.source, sentence(item.event)) for item in events]
    print_table(("TIME", "SOURCE", "WHAT HAPPENED"), rows)


def _event_as_json(item: Recorded) -> dict[str, Any]:
    return {
        "version": item.version,
        "kind": item.event.kind,
        "occurred_at": iso(item.occurred_at),
        "recorded_at": iso(item.recorded_at),
        "source": item.source,
        "text": sentence(item.event),
        "data": msgspec.to_builtins(item.event),
    }
