"""The verbs for the site's people: ``replay``, ``drain``, ``undrain``."""

from __future__ import annotations

from datetime import datetime

from sidecar.bootstrap import open_database
from sidecar.cli import records
from sidecar.cli.console import iso, print_json, say
from sidecar.drain import Drain, DrainState
from sidecar.errors import StoreError
from sidecar.settings import Settings
from sidecar.store import journal, reading


def compare(settings: Settings, *, as_json: bool) -> int:
    """Say which pods' states are not what their events give; 1 when there are any."""
    with reading.read_only(settings.database_path) as session:
        different = sorted(journal.differences(session))
    if as_json:
        print_json({"different": different})
    elif different:
        say(f"{len(different)} states are not what their events give; stop the daemon and run 'slurm-sidecar replay'")
        for uid in different:
            say(uid)
    else:
        say("every state is what its events give")
    return 1 if different else 0


def rebuild(settings: Settings, *, as_json: bool) -> int:
    """Replace all states by what the events give; 1 when some were different.

    :raises AlreadyRunning: the daemon runs
    """
    if not settings.database_path.exists():
        raise StoreError(f"there is no database {settings.database_path}, so nothing to replay; see DatabasePath")
    with open_database(settings) as database, database.write() as session:
        different = sorted(journal.differences(session))
        count = journal.rebuild(session)
    if as_json:
        print_json({"rebuilt": count, "different": different})
    else:
        say(f"{count} states rebuilt from their events; {len(different)} of them were different")
        for uid in different:
            say(uid)
    return 1 if different else 0


def drain(settings: Settings, reason: str, *, as_json: bool, now: datetime) -> None:
    """Take no new pods, and say how many there still are."""
    state = Drain(settings.database_path).begin(reason, now)
    alive = _alive(settings)
    if as_json:
        _print_drain(state, alive)
    else:
        there = "1 pod is" if alive == 1 else f"{alive} pods are"
        say(f"{state.sentence}: new pods are refused, {there} still there; 'slurm-sidecar undrain' ends it")


def undrain(settings: Settings, *, as_json: bool, now: datetime) -> None:
    """Take pods again."""
    place = Drain(settings.database_path)
    before = place.state
    state = place.end(now)
    if as_json:
        _print_drain(state, _alive(settings))
    else:
        say("the node takes pods again" if before.draining else "the node takes pods; it was not being drained")


def _print_drain(state: DrainState, alive: int) -> None:
    since = iso(state.since) if state.draining else None
    print_json({"draining": state.draining, "since": since, "reason": state.reason, "pods_there": alive})


def _alive(settings: Settings) -> int:
    path = settings.database_path
    if not path.exists():
        return 0
    return sum(not pod.phase.is_final for pod in records.pods(path, namespace="", phase="", deleted_too=True))
