"""Answers to ``/status`` in the form from which the virtual kubelet finds the right phase."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from sidecar.domain import events as ev
from sidecar.domain.events import Event
from sidecar.domain.pod import ContainerRole, RestartPolicy
from sidecar.domain.projection import fold
from sidecar.domain.state import PodState
from sidecar.errors import MalformedRequest
from sidecar.wire import status
from tests.factories import (
    INIT,
    MAIN,
    OTHER_UID,
    RUNNING,
    SIDE,
    STARTED,
    SUBMITTED,
    UID,
    Json,
    a_container_json,
    a_pod_json,
    a_state,
    began,
    body,
    exited,
    restarting,
    timed,
)
from tests.strategies import CONTAINERS, histories


def answer(*states: PodState, asked: list[Json] | None = None) -> list[Json]:
    pods = [a_pod_json(pod_uid=state.uid) for state in states] if asked is None else asked
    text = status.answer(status.read(body(pods)), {state.uid: state for state in states})
    answered: list[Json] = json.loads(text)
    return answered


def the_main_container(*events: Event, **more: Any) -> Json:
    container: Json = answer(a_state(*events, **more))[0]["containers"][0]
    return container


@pytest.mark.parametrize("text", [b"[]", b"", b" [ ] "])
def test_an_empty_list_is_a_ping(text: bytes) -> None:
    assert status.read(text) == []


def test_a_pod_is_answered_with_exactly_interlinks_names() -> None:
    (entry,) = answer(a_state(*SUBMITTED, containers=[INIT, MAIN]))

    assert {key: entry[key] for key in ("name", "UID", "namespace", "JID")} == {
        "name": "demo", "UID": UID, "namespace": "lab", "JID": "7",
    }  # fmt: skip
    assert set(entry) == {"name", "UID", "namespace", "JID", "containers", "initContainers"}
    assert [c["name"] for c in entry["containers"]] == ["main"]
    assert [c["name"] for c in entry["initContainers"]] == ["setup"]


def test_a_waiting_container_says_why() -> None:
    container = the_main_container(*SUBMITTED, ev.JobQueued(reason="Priority"))

    assert container["state"] == {"waiting": {"reason": "Queued", "message": "Slurm job 7 is waiting: Priority"}}
    assert (container["ready"], container["started"], container["restartCount"]) == (False, False, 0)


def test_a_running_container_is_ready_since_its_start() -> None:
    container = the_main_container(*RUNNING, began())

    assert container["state"] == {"running": {"startedAt": "2026-11-24T12:00:04Z"}}
    assert (container["ready"], container["started"], container["image"]) == (True, True, "busybox:1.36")


def test_a_container_is_not_ready_while_its_probes_have_not_passed() -> None:
    waits = ev.ContainerStarted(container="main", attempt=0, started=False, ready=False)
    alive = ev.ContainerHealthChanged(container="main", attempt=0, started=True, ready=False)
    ready = ev.ContainerHealthChanged(container="main", attempt=0, started=True, ready=True)
    told = [the_main_container(*RUNNING, *events) for events in ((waits,), (waits, alive), (waits, alive, ready))]

    assert [(c["started"], c["ready"]) for c in told] == [(False, False), (True, False), (True, True)]
    assert ["running" in c["state"] for c in told] == [True] * 3


def test_a_container_that_was_ended_for_its_health_says_so() -> None:
    dead = ev.ContainerUnhealthy(container="main", attempt=0, check="liveness", message="no answer within 1 s")
    running = the_main_container(*RUNNING, began(), dead)
    ended = the_main_container(*RUNNING, began(), dead, exited(137))

    assert (running["started"], running["ready"]) == (True, False)
    assert ended["state"]["terminated"]["message"] == "Liveness probe failed: no answer within 1 s"
    assert ended["state"]["terminated"]["exitCode"] == 137


def test_a_terminated_container_has_its_code_its_signal_and_its_times() -> None:
    container = the_main_container(*RUNNING, began(), exited(137))

    assert container["state"] == {
        "terminated": {
            "exitCode": 137,
            "signal": 9,
            "reason": "Error",
            "startedAt": "2026-11-24T12:00:04Z",
            "finishedAt": "2026-11-24T12:00:05Z",
        }
    }


@pytest.mark.parametrize("code", [0, 1, 128, 255])
def test_a_code_that_stands_for_no_signal_has_none(code: int) -> None:
    assert "signal" not in the_main_container(*RUNNING, began(), exited(code))["state"]["terminated"]


def test_a_restarting_container_shows_its_former_end() -> None:
    container = the_main_container(*RUNNING, began(), exited(3), restarting(1), restart_policy=RestartPolicy.ALWAYS)

    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"]["exitCode"] == 3
    assert container["restartCount"] == 1


def test_a_refused_pod_is_terminated_with_sbatchs_words() -> None:
    container = the_main_container(STARTED, ev.SubmissionFailed(reason="Invalid account"))

    assert container["state"]["terminated"]["exitCode"] == 128
    assert container["state"]["terminated"]["message"] == "Invalid account"


def test_after_a_failed_init_container_no_main_container_is_left_waiting() -> None:
    (entry,) = answer(a_state(*RUNNING, began("setup"), exited(5, "setup"), containers=[INIT, MAIN]))

    assert entry["containers"][0]["state"]["terminated"]["reason"] == "NotStarted"


def test_an_init_container_that_will_be_tried_again_leaves_the_main_ones_waiting() -> None:
    events = (*RUNNING, began("setup"), exited(5, "setup"), restarting(1, "setup"))
    (entry,) = answer(a_state(*events, containers=[INIT, MAIN], restart_policy=RestartPolicy.ON_FAILURE))

    assert "waiting" in entry["containers"][0]["state"]


def test_an_init_container_that_is_not_tried_again_leaves_nobody_waiting_whatever_the_policy() -> None:
    events = (*RUNNING, began("setup"), exited(5, "setup"))
    (entry,) = answer(a_state(*events, containers=[INIT, MAIN], restart_policy=RestartPolicy.ON_FAILURE))

    assert entry["containers"][0]["state"]["terminated"]["message"].endswith("setup failed with exit code 5")


UNSTARTED = ev.ContainerStarted(container="side", attempt=0, started=False, ready=False)
HEALTHY = ev.ContainerHealthChanged(container="side", attempt=0, started=True, ready=True)


def the_sidecar(*events: Event) -> Json:
    """And the main container, for which the virtual kubelet waits as long as it is not terminated."""
    container: Json = answer(a_state(*RUNNING, *events, containers=[SIDE, MAIN]))[0]["initContainers"][0]
    return container


def test_a_native_sidecar_is_shown_as_it_is_until_it_has_started() -> None:
    assert the_sidecar()["state"]["waiting"]["reason"] == "ContainerCreating"
    running = the_sidecar(UNSTARTED)
    assert (list(running["state"]), running["started"], running["ready"]) == (["running"], False, False)


@pytest.mark.parametrize(
    ("events", "started", "restarts"),
    [
        ((UNSTARTED, HEALTHY), True, 0),
        ((began("side"),), True, 0),
        ((began("side"), exited(9, "side")), False, 0),
        ((began("side"), exited(9, "side"), restarting(1, "side")), False, 1),
    ],
)
def test_a_native_sidecar_that_has_started_is_shown_as_done_whatever_becomes_of_it(
    events: tuple[Event, ...], started: bool, restarts: int
) -> None:
    container = the_sidecar(*events)

    end = container["state"]["terminated"]
    assert (end["exitCode"], end["reason"], end["message"]) == (0, "Completed", "Started")
    assert (container["started"], container["ready"], container["restartCount"]) == (started, started, restarts)


def test_a_native_sidecar_that_never_started_leaves_nobody_waiting() -> None:
    (entry,) = answer(a_state(*RUNNING, UNSTARTED, exited(3, "side"), containers=[SIDE, MAIN]))

    assert entry["initContainers"][0]["state"]["terminated"]["exitCode"] == 3
    assert "before it had started" in entry["containers"][0]["state"]["terminated"]["message"]


def test_a_pod_without_a_record_waits_and_hides_no_other() -> None:
    asked = [a_pod_json(pod_uid=OTHER_UID, init=[a_container_json("setup")]), a_pod_json()]

    unknown, known = answer(a_state(*RUNNING), asked=asked)

    assert known["JID"] == "7"
    assert (unknown["name"], unknown["UID"], unknown["namespace"], unknown["JID"]) == ("demo", OTHER_UID, "lab", "")
    for container in (*unknown["containers"], *unknown["initContainers"]):
        assert container["state"]["waiting"]["reason"] == "PodUnknown"
    assert (len(unknown["containers"]), len(unknown["initContainers"])) == (1, 1)


def test_answers_come_in_the_order_of_the_question() -> None:
    first, second = a_state(), a_state(pod_uid=OTHER_UID)

    assert [entry["UID"] for entry in answer(first, second)] == [UID, OTHER_UID]
    assert [entry["UID"] for entry in answer(second, first)] == [OTHER_UID, UID]


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"uid": "../x"}, r"\$\[1\]\.metadata\.uid"),
        ({"namespace": "../x"}, r"\$\[1\]\.metadata\.namespace"),
        ({"name": "../x"}, r"\$\[1\]\.metadata\.name"),
    ],
)
def test_identifiers_are_checked(metadata: Json, path: str) -> None:
    bad = a_pod_json()
    bad["metadata"] |= metadata

    with pytest.raises(MalformedRequest, match=f"^{path}: "):
        status.read(body([a_pod_json(), bad]))


@given(histories())
def test_in_every_state_each_container_has_exactly_one_state_kubernetes_can_read(history: list[Event]) -> None:
    state = fold(UID, timed(history))
    (entry,) = answer(state)

    mains = [c.name for c in CONTAINERS if c.role is ContainerRole.MAIN]
    assert [c["name"] for c in entry["containers"]] == mains
    assert [c["name"] for c in entry["initContainers"]] == [c.name for c in CONTAINERS if c.name not in mains]
    for container in (*entry["containers"], *entry["initContainers"]):
        ((kind, details),) = container["state"].items()
        assert kind in ("waiting", "running", "terminated")
        if kind == "waiting":
            assert details["reason"]
        if kind == "terminated":
            assert details["startedAt"] <= details["finishedAt"]


@given(histories(start=RUNNING))
def test_a_failed_init_container_never_leaves_a_main_one_waiting_where_nothing_restarts(history: list[Event]) -> None:
    state = fold(UID, timed(history))
    (entry,) = answer(state)

    inits = [c["state"] for c in entry["initContainers"]]
    failed = any(init.get("terminated", {}).get("exitCode") for init in inits)
    if failed and state.restart_policy is RestartPolicy.NEVER:
        never_started = [c for c in state.containers if c.started_at is None]
        by_name = {c["name"]: c for c in (*entry["containers"], *entry["initContainers"])}
        assert not [c.name for c in never_started if "waiting" in by_name[c.name]["state"]]
