"""Appending events and loading them; the pod's state moves in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from sidecar.domain.events import KINDS, Event
from sidecar.domain.observe import Observation
from sidecar.domain.projection import apply, begin
from sidecar.domain.state import PodState
from sidecar.errors import StaleStream, StoreError
from sidecar.store.tables import EventRow, PodRow

# Run by the connection and not by the session: the unit of work costs more than SQLite itself.
_INSERT_EVENT = insert(EventRow)
_REPLACE_POD = insert(PodRow).prefix_with("OR REPLACE")


def append(
    session: Session, uid: str, news: Sequence[Observation], *, state: PodState | None, now: datetime
) -> PodState:
    """Add events to a pod's history, directly after the state that the caller has read.

    :param state: what the decision was based on; ``None`` for a new pod
    :param now: when we learned it
    :raises IllegalTransition: the lifecycle does not allow one of the events
    :raises StaleStream: another writer was first
    """
    after = 0 if state is None else state.version
    rows = []
    for version, item in enumerate(news, start=after + 1):
        state = begin(uid, item.event, item.at) if state is None else apply(state, item.event, item.at)
        rows.append(_event_row(uid, version, item, now))
    if state is None:
        raise StoreError("a history cannot begin without an event")
    try:
        session.connection().execute(_INSERT_EVENT, rows)
    except IntegrityError as error:
        raise StaleStream(f"another writer has appended to the history of pod {uid}") from error
    save(session, state)
    return state


def _event_row(uid: str, version: int, item: Observation, now: datetime) -> dict[str, object]:
    return {
        "pod_uid": uid,
        "version": version,
        "kind": item.event.kind,
        "data": msgspec.json.encode(item.event).decode(),
        "occurred_at": item.at,
        "recorded_at": now,
        "source": str(item.source),
    }


def save(session: Session, state: PodState) -> None:
    """Write a pod's state over the former one."""
    session.connection().execute(_REPLACE_POD, pod_row(state))


def pod_row(state: PodState) -> dict[str, object]:
    """The columns of a pod's row."""
    return {
        "uid": state.uid,
        "version": state.version,
        "namespace": state.namespace,
        "name": state.name,
        "phase": str(state.phase),
        "job_id": state.job_id,
        "accepted_at": state.accepted_at,
        "is_open": state.is_open,
        "state": msgspec.json.encode(state).decode(),
    }


@lru_cache(maxsize=2048)
def decode_state(text: str) -> PodState:
    """A pod's state from its stored form.

    Remembered, because interLink asks for the same pods again and again, and decoding is most of the answer's time.
    The whole text is the key, so what is remembered cannot be out of date.
    """
    return _decoder.decode(text)


_decoder = msgspec.json.Decoder(PodState)


def history(session: Session, uid: str) -> list[EventRow]:
    """All events of a pod, first to last."""
    return list(session.scalars(select(EventRow).where(EventRow.pod_uid == uid).order_by(EventRow.version)))


def decode_event(row: EventRow) -> Event:
    """An event from its stored form.

    :raises StoreError: the kind is not known: a newer version of the program wrote it
    """
    if row.kind not in KINDS:
        raise StoreError(f"event {row.version} of pod {row.pod_uid} is of the unknown kind {row.kind!r}")
    return msgspec.json.decode(row.data, type=KINDS[row.kind])


def replayed(session: Session) -> Iterator[PodState]:
    """Every pod's state, folded anew from its events."""
    statement = select(EventRow).order_by(EventRow.pod_uid, EventRow.version).execution_options(yield_per=1000)
    state: PodState | None = None
    for row in session.scalars(statement):
        event = decode_event(row)
        if state is None or state.uid != row.pod_uid:
            if state is not None:
                yield state
            state = begin(row.pod_uid, event, row.occurred_at)
        else:
            state = apply(state, event, row.occurred_at)
    if state is not None:
        yield state


def rebuild(session: Session) -> int:
    """Replace all states by those that the events give; return how many there are."""
    session.query(PodRow).delete()
    count = 0
    for state in list(replayed(session)):
        save(session, state)
        count += 1
    return count


def differences(session: Session) -> Iterable[str]:
    """UIDs of pods whose stored state is not what their events give."""
    stored = {row.uid: row.state for row in session.scalars(select(PodRow))}
    for state in replayed(session):
        text = stored.pop(state.uid, None)
        if text is None or decode_state(text) != state:
            yield state.uid
    yield from stored
