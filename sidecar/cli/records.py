"""The pods on record, read from the database itself, so that it works while the daemon is down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sidecar.cli.console import note
from sidecar.domain.events import Event
from sidecar.domain.state import PodState
from sidecar.errors import UnknownPod
from sidecar.store import journal, queries, reading

_SHORTEST_PREFIX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One event of a pod's history."""

    version: int
    event: Event
    occurred_at: datetime
    recorded_at: datetime
    source: str


def pods(path: Path, *, namespace: str, phase: str, deleted_too: bool) -> list[PodState]:
    """Pods on record, newest first.

    :param deleted_too: also those that Kubernetes no longer has
    :raises StoreError: the database cannot be read
    """
    with reading.read_only(path) as session:
        found = reading.listed(session, namespace=namespace, phase=phase)
    return [pod for pod in found if deleted_too or not pod.is_deleted]


def find(path: Path, text: str) -> PodState:
    """The newest pod of that name, ``namespace/name``, UID or beginning of a UID; says so where there are several.

    :raises UnknownPod: there is none, or several UIDs begin so
    """
    with reading.read_only(path) as session:
        named = queries.named(session, text)
        begun = reading.with_uid_prefix(session, text) if not named and len(text) >= _SHORTEST_PREFIX else []
    if len(begun) > 1:
        raise UnknownPod(f"{len(begun)} pods have a UID that begins with {text}; give more of it")
    if not named and not begun:
        raise UnknownPod(f"there is no record of a pod {text}; 'slurm-sidecar pods --all' lists all there are")
    if len(named) > 1:
        note(f"{len(named)} pods match {text}; this is the newest, {named[0].namespace}/{named[0].name} {named[0].uid}")
    return (named or begun)[0]


def history(path: Path, uid: str) -> list[Recorded]:
    """All that happened to a pod, first to last.

    :raises StoreError: the database cannot be read, or a newer version has written to it
    """
    with reading.read_only(path) as session:
        return [
            Recorded(
                version=row.version,
                event=journal.decode_event(row),
                occurred_at=row.occurred_at,
                recorded_at=row.recorded_at,
                source=row.source,
            )
            for row in journal.history(session, uid)
        ]
