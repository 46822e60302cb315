"""The model does what interLink's virtual kubelet does, also where that is odd."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.virtual_kubelet import rules
from tests.virtual_kubelet.admission import Json, admit_pod
from tests.virtual_kubelet.answers import ContractBroken, check_statuses

WAITING: Json = {"waiting": {"reason": "Queued"}}
RUNNING: Json = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def ended(code: int, message: str = "") -> Json:
    at = "2026-01-01T00:00:00Z"
    return {"terminated": {"exitCode": code, "reason": "OOMKilled", "message": message} | {"finishedAt": at}}


def a_pod(*mains: str, inits: tuple[str, ...] = (), policy: str = "Never") -> Json:
    def containers(names: tuple[str, ...]) -> list[Json]:
        return [{"name": name, "image": "busybox:1"} for name in names]

    spec: Json = {"restartPolicy": policy, "containers": containers(mains or ("main",))}
    if inits:
        spec["initContainers"] = containers(inits)
    pod = admit_pod({"kind": "Pod", "metadata": {"name": "demo"}, "spec": spec}, "lab")
    pod["status"] = rules.initial(pod)
    return pod


def entry(pod: Json, mains: list[Json], inits: list[Json] | None = None) -> Json:
    def statuses(containers: list[Json], states: list[Json]) -> list[Json]:
        unset: Json = {"lastState": {}, "ready": False, "restartCount": 0, "image": "", "imageID": ""}
        named = zip(containers, states, strict=False)
        return [{"name": c["name"], "state": copy.deepcopy(state)} | unset for c, state in named]

    metadata, spec = pod["metadata"], pod["spec"]
    return {
        "name": metadata["name"],
        "UID": metadata["uid"],
        "namespace": metadata["namespace"],
        "JID": "7",
        "containers": statuses(spec["containers"], mains),
        "initContainers": statuses(spec.get("initContainers", []), inits or []),
    }


def after(pod: Json, *args: Any) -> Json:
    rules.take_in(pod, entry(pod, *args))
    status: Json = pod["status"]
    return status


def test_a_waiting_container_leaves_the_pod_pending() -> None:
    assert after(a_pod(), [WAITING])["phase"] == "Pending"


def test_a_running_container_makes_the_pod_running_and_ready() -> None:
    status = after(a_pod(), [RUNNING])

    assert status["phase"] == "Running"
    assert status["containerStatuses"][0]["ready"] is True
    assert status["conditions"] == [
        {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": None}
    ]


def test_the_reason_is_overwritten_but_code_and_message_survive() -> None:
    status = after(a_pod(), [ended(137, "killed by the kernel")])

    assert (status["phase"], status["reason"]) == ("Failed", "Error: 137")
    terminated = status["containerStatuses"][0]["state"]["terminated"]
    assert terminated["reason"] == "Error: 137"
    assert terminated["message"] == "killed by the kernel"


def test_one_failure_gives_its_reason_to_all_containers() -> None:
    status = after(a_pod("a", "b"), [ended(3), ended(0)])

    assert [c["state"]["terminated"]["reason"] for c in status["containerStatuses"]] == ["Error: 3", "Error: 3"]


def test_an_empty_list_of_containers_ends_the_pod_well() -> None:
    assert after(a_pod(), [])["phase"] == "Succeeded"


def test_a_container_without_a_state_leaves_the_pod_stuck() -> None:
    assert after(a_pod(), [{}])["phase"] == "Pending"


def test_an_entry_without_a_name_is_passed_over() -> None:
    pod = a_pod()
    rules.take_in(pod, entry(pod, [ended(0)]) | {"name": ""})

    assert pod["status"]["phase"] == "Pending"


def test_a_pod_that_waits_again_stays_running() -> None:
    pod = a_pod()
    after(pod, [RUNNING])

    assert after(pod, [WAITING])["phase"] == "Running"


@pytest.mark.parametrize(
    ("init", "reason", "shown"),
    [(WAITING, "Waiting for init containers", "PodInitializing"), (RUNNING, "Init", "Init:0/1")],
)
def test_main_containers_wait_for_init_containers(init: Json, reason: str, shown: str) -> None:
    status = after(a_pod(inits=("first",)), [RUNNING], [init])

    assert (status["phase"], status["reason"]) == ("Pending", reason)
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": shown}}


def test_a_failed_init_container_fails_the_pod_when_all_have_ended() -> None:
    status = after(a_pod(inits=("first",)), [ended(0)], [ended(3)])

    assert (status["phase"], status["reason"]) == ("Failed", "Error: 3")


def test_leaving_out_a_waiting_container_after_a_failed_init_container_crashes_the_virtual_kubelet() -> None:
    with pytest.raises(rules.NilDereference):
        after(a_pod(inits=("first",)), [], [ended(3)])


def test_a_second_init_container_seen_to_end_before_the_first_crashes_the_virtual_kubelet() -> None:
    with pytest.raises(rules.NilDereference):
        after(a_pod(inits=("first", "second")), [WAITING], [WAITING, ended(0)])


@pytest.mark.parametrize(
    ("mains", "inits"),
    [
        pytest.param([WAITING], [ended(3)], id="a main container waits after a failed init container"),
        pytest.param([], [ended(0)], id="a container is missing"),
        pytest.param([{}], [ended(0)], id="a container has no state"),
        pytest.param([RUNNING | WAITING], [ended(0)], id="a container has two states"),
    ],
)
def test_answers_that_would_leave_a_pod_stuck_break_the_contract(mains: list[Json], inits: list[Json]) -> None:
    pod = a_pod(inits=("first",))

    with pytest.raises(ContractBroken):
        check_statuses([pod], as_body([entry(pod, mains, inits)]))


def test_a_failed_init_container_that_is_retried_may_keep_the_others_waiting() -> None:
    pod = a_pod(inits=("first", "second"), policy="OnFailure")

    assert check_statuses([pod], as_body([entry(pod, [WAITING], [ended(1), WAITING])]))


def test_names_and_types_must_be_exact() -> None:
    pod = a_pod()
    good = entry(pod, [ended(0)])

    assert check_statuses([pod], as_body([good])) == [good]
    for bad in (good | {"jid": "7"}, good | {"JID": 7}, good | {"UID": "other"}):
        with pytest.raises(ContractBroken):
            check_statuses([pod], as_body([bad]))


def as_body(entries: list[Json]) -> bytes:
    return json.dumps(entries).encode()
