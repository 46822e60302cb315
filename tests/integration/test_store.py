"""Histories in real SQLite files: append-only, one writer at a time, states always those of the events."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sidecar.domain import events as ev
from sidecar.domain.events import Event
from sidecar.domain.state import PodState
from sidecar.errors import IllegalTransition, StaleStream, StoreBusy, StoreError
from sidecar.store import engine, journal, queries
from sidecar.store.engine import Database
from tests.factories import (
    NOON,
    RUNNING,
    SUBMITTED,
    UID,
    a_state,
    accepted,
    at,
    began,
    exited,
    observations,
    succeeded,
    uid,
)
from tests.strategies import histories


def store(database: Database, *events: Event, pod_uid: str = UID, state: PodState | None = None) -> PodState:
    """Append events in a transaction of their own; to a new pod unless ``state`` is given."""
    start = 0 if state is None else state.version
    with database.write() as session:
        return journal.append(session, pod_uid, observations(*events, start=start), state=state, now=NOON)


def load(database: Database, pod_uid: str = UID) -> PodState | None:
    with database.read() as session:
        return queries.pod(session, pod_uid)


def different(database: Database) -> list[str]:
    with database.read() as session:
        return list(journal.differences(session))


def test_a_stored_pod_is_loaded_as_it_was(database: Database) -> None:
    stored = store(database, accepted(), *RUNNING)

    assert stored == a_state(*RUNNING)
    assert load(database) == stored
    assert load(database, uid(1)) is None


def test_events_keep_their_order_their_times_and_their_source(database: Database) -> None:
    store(database, accepted(), *SUBMITTED)

    with database.read() as session:
        rows = journal.history(session, UID)
        assert [journal.decode_event(row) for row in rows] == [accepted(), *SUBMITTED]
        assert [(row.version, row.occurred_at) for row in rows] == [(1, at(0)), (2, at(1)), (3, at(2))]
        assert {(row.recorded_at, row.source) for row in rows} == {(NOON, "request")}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(histories())
def test_any_history_replays_to_what_was_stored_step_by_step(database: Database, history: list[Event]) -> None:
    with database.read() as session:
        pod_uid = uid(len(list(journal.replayed(session))))
    state: PodState | None = None
    for event in history:
        state = store(database, event, pod_uid=pod_uid, state=state)

    assert load(database, pod_uid) == state
    assert different(database) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET kind = 'job_succeeded'",
        "DELETE FROM events",
        "UPDATE events SET recorded_at = '' WHERE version = 1",
    ],
)
def test_the_database_refuses_to_change_or_remove_events(database: Database, statement: str) -> None:
    store(database, accepted(), *RUNNING)

    with pytest.raises(IntegrityError, match="events are append-only"), database.write() as session:
        session.execute(text(statement))
    with closing(sqlite3.connect(database.path)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    assert different(database) == []


def test_of_racing_writers_one_wins_and_the_others_are_told(database: Database) -> None:
    read = store(database, accepted(), *SUBMITTED)
    together = threading.Barrier(8)

    def write(number: int) -> str:
        together.wait()
        try:
            store(database, ev.JobQueued(reason=f"writer {number}"), state=read)
        except StaleStream:
            return "stale"
        return "stored"

    with ThreadPoolExecutor(8) as threads:
        outcomes = sorted(threads.map(write, range(8)))

    assert outcomes == ["stale"] * 7 + ["stored"]
    state = load(database)
    assert state is not None
    assert state.version == read.version + 1
    assert different(database) == []


def test_a_pod_begins_only_once(database: Database) -> None:
    store(database, accepted())

    with pytest.raises(StaleStream):
        store(database, accepted())


def test_an_illegal_event_leaves_nothing_of_its_companions(database: Database) -> None:
    before = store(database, accepted(), *SUBMITTED)

    with pytest.raises(IllegalTransition):
        store(database, ev.JobStarted(nodes="node1"), succeeded(), ev.JobQueued(reason="again"), state=before)

    assert load(database) == before
    assert different(database) == []


def test_events_and_state_are_stored_together_or_not_at_all(database: Database) -> None:
    before = store(database, accepted())

    with suppress(RuntimeError), database.write() as session:
        journal.append(session, UID, observations(*SUBMITTED), state=before, now=NOON)
        raise RuntimeError("power cut")

    assert load(database) == before
    with database.read() as session:
        assert len(journal.history(session, UID)) == 1


def test_a_reader_is_not_kept_waiting_by_a_writer_and_sees_what_was_committed(database: Database) -> None:
    before = store(database, accepted())

    with database.write() as writing:
        journal.append(writing, UID, observations(*SUBMITTED, start=1), state=before, now=NOON)
        assert load(database) == before

    assert load(database) == a_state(*SUBMITTED)


def test_a_writer_that_cannot_get_its_turn_says_so(database_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_MS", 50)
    database = Database(database_path)
    with closing(sqlite3.connect(database_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="locked by another program; try again"):
            database.check()
        other.execute("ROLLBACK")

    database.check()
    database.close()


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE pod_states SET state = replace(state, '\"Running\"', '\"Done\"')",
        "UPDATE pod_states SET state = replace(state, 'node1', 'node2')",
        "DELETE FROM pod_states",
        "UPDATE pod_states SET uid = '00000000-0000-4000-8000-00000000000a'",
    ],
)
def test_a_state_that_is_not_that_of_the_events_is_found_and_rebuilt(database: Database, tampering: str) -> None:
    stored = store(database, accepted(), *RUNNING)
    store(database, accepted(), pod_uid=uid(1))
    with database.write() as session:
        session.execute(text(f"{tampering} WHERE uid = '{UID}'"))

    assert UID in different(database)
    with database.write() as session:
        assert journal.rebuild(session) == 2
    assert different(database) == []
    assert load(database) == stored


def test_an_event_that_only_a_newer_version_knows_is_told(database: Database) -> None:
    store(database, accepted())
    with database.write() as session:
        session.execute(
            text("INSERT INTO events VALUES (:uid, 2, 'pod_teleported', '{}', :now, :now, 'sidecar')"),
            {"uid": UID, "now": "2026-11-24T12:00:00.000000Z"},
        )

    with pytest.raises(StoreError, match=f"event 2 of pod {UID} is of the unknown kind 'pod_teleported'"):
        different(database)


def test_open_pods_are_those_with_something_left_to_do(database: Database) -> None:
    store(database, accepted(), *RUNNING)
    store(database, accepted(), *RUNNING, succeeded(), ev.JobUsageRecorded(), pod_uid=uid(1))
    store(database, accepted(), SUBMITTED[0], ev.SubmissionFailed(reason="no"), pod_uid=uid(2))

    with database.read() as session:
        assert [pod.uid for pod in queries.open_pods(session)] == [UID]


def test_pods_are_found_by_uid_by_name_and_by_namespace(database: Database) -> None:
    store(database, accepted(name="a", namespace="x"))
    store(database, accepted(name="a", namespace="y"), pod_uid=uid(1))
    store(database, accepted(name="b", namespace="x"), *RUNNING, began(), exited(0), pod_uid=uid(2))

    with database.read() as session:
        assert {pod.uid for pod in queries.named(session, "a")} == {UID, uid(1)}
        assert [pod.uid for pod in queries.named(session, "y/a")] == [uid(1)]
        assert [pod.uid for pod in queries.named(session, uid(2))] == [uid(2)]
        assert queries.named(session, "nobody") == []


def test_many_pods_are_loaded_in_one_call(database: Database) -> None:
    with database.write() as session:
        for number in range(1201):
            journal.append(session, uid(number), observations(accepted()), state=None, now=NOON)

    with database.read() as session:
        assert len(queries.pods(session, [uid(number) for number in range(1300)])) == 1201
