"""Fields that the sidecar's types do not have are found, wherever they are."""

from __future__ import annotations

import pytest

from sidecar.wire import kubernetes as kube
from sidecar.wire import unknown
from tests.factories import Json, a_container_json, a_pod_json


def found(pod: Json) -> list[str]:
    return unknown.fields(pod, kube.Pod)


def test_a_known_pod_has_none() -> None:
    assert found(a_pod_json(init=[a_container_json("setup", env=[{"name": "A", "value": "1"}])])) == []


def test_each_is_named_once_with_its_path() -> None:
    pod = a_pod_json(
        a_container_json("a", extra=1, resources={"limits": {"cpu": 1}, "lmits": {}, "more": {"x": 1}}),
        a_container_json("b", extra=2),
        zeta=True,
    )

    assert found(pod) == ["$.spec.containers.extra", "$.spec.containers.resources.more", "$.spec.zeta"]


@pytest.mark.parametrize("empty", [None, {}, [], ""])
def test_an_empty_one_says_nothing(empty: object) -> None:
    assert found(a_pod_json(novelty=empty)) == []


def test_keys_of_maps_are_no_fields() -> None:
    pod = a_pod_json(a_container_json(resources={"limits": {"example.com/fpga": 1}}), annotations={"anything": "goes"})

    assert found(pod) == []


def test_names_are_kubernetes_own_and_not_those_in_this_program() -> None:
    assert found(a_pod_json(host_network=True, hostNetwork=True)) == ["$.spec.host_network"]


def test_what_kubernetes_has_dealt_with_is_left_out() -> None:
    pod = a_pod_json(tolerations=[{"key": "a"}], nodeSelector={"a": "b"})
    pod |= {"kind": "Pod", "apiVersion": "v1", "status": {"phase": "Pending"}}

    assert found(pod) == []
