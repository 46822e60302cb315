"""Questions to the pods' states."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Text, bindparam, func, select
from sqlalchemy.orm import Session

from sidecar.domain.state import PodState
from sidecar.store.journal import decode_state
from sidecar.store.tables import PodRow

_WANTED = select(func.json_each(bindparam("uids", type_=Text)).table_valued("value").c.value)
_STATES = select(PodRow.state).where(PodRow.uid.in_(_WANTED))
"""One parameter, however many pods are asked for: https://www.sqlite.org/json1.html#jeach"""


def pod(session: Session, uid: str) -> PodState | None:
    """One pod by its UID."""
    text = session.connection().scalar(select(PodRow.state).where(PodRow.uid == uid))
    return None if text is None else decode_state(text)


def pods(session: Session, uids: Sequence[str]) -> dict[str, PodState]:
    """Those pods that are known, by UID."""
    texts = session.connection().scalars(_STATES, {"uids": msgspec.json.encode(uids).decode()})
    return {state.uid: state for state in map(decode_state, texts)}


def open_pods(session: Session) -> list[PodState]:
    """Pods for which the reconciler still has something to do."""
    return [decode_state(text) for text in session.scalars(select(PodRow.state).where(PodRow.is_open))]


def named(session: Session, text: str) -> list[PodState]:
    """Pods whose UID, name or ``namespace/name`` is ``text``, newest first."""
    namespace, slash, name = text.rpartition("/")
    condition = (PodRow.uid == text) | (PodRow.name == name)
    if slash:
        condition = (PodRow.name == name) & (PodRow.namespace == namespace)
    rows = session.scalars(select(PodRow.state).where(condition).order_by(PodRow.accepted_at.desc()))
    return [decode_state(row) for row in rows]
