"""Answers to the ping and to ``/system-info``."""

from __future__ import annotations

import json

import pytest

from sidecar.cluster import Accelerator, Capacity, Snapshot
from sidecar.settings import Taint
from sidecar.wire import ping
from tests.factories import NOON, Json

CAPACITY = Capacity(
    cpu="64", memory="22321Mi", accelerators=(Accelerator(resource_type="nvidia.com/gpu", available=4),)
)
TAINT = Taint(key="virtual-node.interlink/no-schedule", value="true", effect="NoSchedule")


def answer(snapshot: Snapshot, *taints: Taint) -> Json:
    read: Json = json.loads(ping.answer(snapshot, taints))
    return read


def info(snapshot: Snapshot) -> Json:
    read: Json = json.loads(ping.system_info(snapshot, NOON))
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
