"""Answers to the ping and to ``/system-info``."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sidecar.cluster import Accelerator, Capacity, Snapshot
from sidecar.drain import DrainState
from sidecar.settings import Taint
from sidecar.wire import ping
from tests.factories import NOON, Json

CAPACITY = Capacity(
    cpu="64", memory="22321Mi", accelerators=(Accelerator(resource_type="nvidia.com/gpu", available=4),)
)
TAINT = Taint(key="virtual-node.interlink/no-schedule", value="true", effect="NoSchedule")


NEVER_DRAINED = DrainState()
DRAINING = DrainState(draining=True, since=NOON, reason="kernel update", was_used=True)
NO_LONGER = DrainState(since=NOON, was_used=True)


def answer(snapshot: Snapshot, *taints: Taint, drain: DrainState = NEVER_DRAINED) -> Json:
    read: Json = json.loads(ping.answer(snapshot, taints, drain))
    return read


def info(snapshot: Snapshot, drain: DrainState = NEVER_DRAINED) -> Json:
    read: Json = json.loads(ping.system_info(snapshot, drain, NOON))
    return read


def test_resources_are_quantities_as_text() -> None:
    assert answer(Snapshot(capacity=CAPACITY, read_at=NOON)) == {
        "status": "ok",
        "resources": {
            "cpu": "64",
            "memory": "22321Mi",
            "accelerators": [{"resourceType": "nvidia.com/gpu", "available": "4"}],
        },
    }


def test_what_is_not_known_leaves_the_node_as_it_is() -> None:
    assert answer(Snapshot()) == {"status": "ok"}
    assert answer(Snapshot(capacity=Capacity(cpu="4")))["resources"] == {"cpu": "4"}


def test_taints_are_sent_only_where_there_are_some() -> None:
    assert "taints" not in answer(Snapshot())
    assert answer(Snapshot(), TAINT)["taints"] == [
        {"key": "virtual-node.interlink/no-schedule", "value": "true", "effect": "NoSchedule"}
    ]


def test_while_slurm_is_silent_the_last_known_resources_are_sent_and_said_to_be_old() -> None:
    answered = answer(Snapshot(capacity=CAPACITY, read_at=NOON, error="sinfo did not answer within 60 s"))

    assert answered["status"] == "ok"
    assert answered["resources"]["cpu"] == "64"
    assert "sinfo did not answer within 60 s" in answered["message"]


def test_system_info_shows_sinfos_words() -> None:
    assert info(Snapshot(capacity=CAPACITY, text="node1 main idle", read_at=NOON)) == {
        "status": "ok",
        "timestamp": "2026-11-24T12:00:00Z",
        "slurm_connected": True,
        "sinfo_output": "node1 main idle",
        "error": "",
    }


@pytest.mark.parametrize("snapshot", [Snapshot(), Snapshot(text="old", read_at=NOON, error="sinfo did not answer")])
def test_system_info_says_when_slurm_is_not_there(snapshot: Snapshot) -> None:
    answered = info(snapshot)

    assert (answered["status"], answered["slurm_connected"]) == ("error", False)
    assert answered["error"] == snapshot.error


DRAIN_TAINT = {"key": "slurm-job.vk.io/draining", "value": "true", "effect": "NoSchedule"}
OWN_TAINT = {"key": TAINT.key, "value": TAINT.value, "effect": TAINT.effect}


@pytest.mark.parametrize(
    ("taints", "drain", "sent"),
    [
        ((), DRAINING, [DRAIN_TAINT]),
        ((TAINT,), DRAINING, [OWN_TAINT, DRAIN_TAINT]),
        ((TAINT,), NO_LONGER, [OWN_TAINT]),
        ((), NO_LONGER, []),
    ],
)
def test_a_drain_is_a_taint_and_its_end_takes_the_taint_away(
    taints: tuple[Taint, ...], drain: DrainState, sent: list[Json]
) -> None:
    assert answer(Snapshot(), *taints, drain=drain)["taints"] == sent


def test_while_draining_the_node_has_no_room_where_the_number_of_pods_is_ours() -> None:
    snapshot = Snapshot(capacity=replace(CAPACITY, pods="100"), read_at=NOON, error="sinfo failed")
    drained = answer(snapshot, drain=DRAINING)

    assert drained["resources"]["pods"] == "0"
    assert drained["message"].startswith("draining since 2026-11-24 12:00:00 UTC (kernel update); Slurm did not answer")
    assert answer(snapshot, drain=NO_LONGER)["resources"]["pods"] == "100"
    assert "pods" not in answer(Snapshot(capacity=CAPACITY), drain=DRAINING)["resources"]


def test_system_info_says_that_the_node_is_draining() -> None:
    assert info(Snapshot(), DRAINING)["draining"] == "draining since 2026-11-24 12:00:00 UTC (kernel update)"
