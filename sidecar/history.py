"""Changing pods' histories: decide on what is stored now, append, project, commit; one transaction each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sidecar.domain.events import Event, Source
from sidecar.domain.observe import Observation
from sidecar.domain.state import PodState
from sidecar.errors import UnknownPod
from sidecar.store import journal, queries
from sidecar.store.engine import Database

Decide = Callable[[PodState], Sequence[Observation]]
"""From a pod's present state to what has happened to it; nothing where it is no news."""


class History:
    """The histories of all pods."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self.has_new_pods = threading.Event()
        """Set when a history has begun; whoever follows all pods clears it."""

    def begin(self, uid: str, *events: Event) -> PodState:
        """Begin the history of a new pod.

        :raises StaleStream: it has one already
        """
        news = [self.observed(event, Source.REQUEST) for event in events]
        with self._database.write() as session:
            state = journal.append(session, uid, news, state=None, now=self._now())
        self.has_new_pods.set()
        return state

    def change(self, uid: str, decide: Decide) -> PodState:
        """Append what ``decide`` says, given the state that is stored at that moment.

        :raises UnknownPod: there is no such pod
        """
        return self.change_many({uid: decide})[uid]

    def change_many(self, decisions: Mapping[str, Decide]) -> dict[str, PodState]:
        """Several pods' changes in one transaction; returns their states afterwards."""
        if not decisions:
            return {}
        with self._database.write() as session:
            states = queries.pods(session, list(decisions))
            changed = {}
            for uid, decide in decisions.items():
                if uid not in states:
                    raise UnknownPod(f"there is no record of pod {uid}")
                news = decide(states[uid])
                changed[uid] = (
                    journal.append(session, uid, news, state=states[uid], now=self._now()) if news else states[uid]
                )
            return changed

    def record(self, uid: str, event: Event, source: Source) -> PodState:
        """Append one event that happened now."""
        return self.change(uid, lambda _: [self.observed(event, source)])

    def observed(self, event: Event, source: Source) -> Observation:
        """An event that happened now."""
        return Observation(event=event, at=self._now(), source=source)

    def get(self, uid: str) -> PodState | None:
        """One pod's state, or ``None``."""
        with self._database.read() as session:
            return queries.pod(session, uid)

    def get_many(self, uids: Sequence[str]) -> dict[str, PodState]:
        """The states of those pods that are known."""
        with self._database.read() as session:
            return queries.pods(session, uids)

    def open_pods(self) -> list[PodState]:
        """Pods for which there is still something to do."""
        with self._database.read() as session:
            return queries.open_pods(session)
