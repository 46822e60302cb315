"""Amounts in a request: limits before requests, exact, whole devices, and a sentence for what Slurm does not have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.plan import SitePolicy
from sidecar.domain.pod import Pod, Resources
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import create
from tests.factories import Json, a_container_json, a_pod_json, a_request, body

GIB = 1024**3


def read(own: Json | None = None, **spec: Any) -> Pod:
    pod = a_pod_json(a_container_json(resources=own), **spec)
    return create.read(body(a_request(pod)), SitePolicy())


def test_a_limit_counts_before_a_request() -> None:
    resources = {
        "requests": {"cpu": "100m", "memory": "1Gi", "ephemeral-storage": "2Gi"},
        "limits": {"cpu": 2.5, "nvidia.com/gpu": "1", "amd.com/gpu": 1, "vendor.com/fpga": "0"},
    }

    assert read(resources).containers[0].requests == Resources(
        cpu_millis=2500,
        memory_bytes=GIB,
        ephemeral_bytes=2 * GIB,
        devices=(("amd.com/gpu", 1), ("nvidia.com/gpu", 1)),
    )


@pytest.mark.parametrize("side", ["limits", "requests"])
def test_no_memory_is_no_statement_about_memory(side: str) -> None:
    assert read({side: {"memory": 0, "cpu": "0"}}).containers[0].requests == Resources(cpu_millis=0)


@given(st.integers(0, 10**7))
def test_cores_are_exact(millis: int) -> None:
    for text in (f"{millis}m", f"{millis / 1000}", millis / 1000):
        assert read({"limits": {"cpu": text}}).containers[0].requests.cpu_millis == millis


def test_what_is_said_about_the_whole_pod_is_kept_apart() -> None:
    pod = read(
        {"limits": {"cpu": 1}},
        resources={"requests": {"cpu": 3}, "limits": {"memory": "4Gi"}},
        overhead={"cpu": "250m", "memory": "120Mi"},
    )

    assert pod.requests == Resources(cpu_millis=3000)
    assert pod.limits == Resources(memory_bytes=4 * GIB)
    assert pod.overhead == Resources(cpu_millis=250, memory_bytes=120 * 1024**2)
    assert pod.notes == ()


@pytest.mark.parametrize(
    ("resources", "error", "message"),
    [
        ({"limits": {"memory": "lots"}}, MalformedRequest, r"resources\.memory: 'lots' is not a quantity"),
        ({"limits": {"memory": "1e99"}}, MalformedRequest, "larger than the largest quantity"),
        ({"limits": {"cpu": -1}}, MalformedRequest, "is negative"),
        ({"limits": {"cpu": True}}, MalformedRequest, "Expected"),
        ({"limits": {"nvidia.com/gpu": "500m"}}, UnsupportedPod, "resources: nvidia.com/gpu: 0.500 cannot be had"),
        ({"limits": {"hugepages-2Mi": "64Mi"}}, UnsupportedPod, "hugepages-2Mi is not available: Slurm hands out no"),
        ({"limits": {"memroy": "64Mi"}}, UnsupportedPod, "memroy is not a resource of Kubernetes"),
        ({"limits": {"a/b/c": "1"}}, UnsupportedPod, "a/b/c is not a resource of Kubernetes"),
        ({"claims": [{"name": "gpu"}]}, UnsupportedPod, "resources.claims is not supported"),
    ],
)
def test_resources_that_cannot_be_had_are_told(resources: Json, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read(resources)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"resources": {"limits": {"nvidia.com/gpu": 1}}},
            "spec.resources.limits: nvidia.com/gpu belongs to a contain",
        ),
        ({"resources": {"claims": [{"name": "gpu"}]}}, "spec.resources.claims is not supported"),
        ({"resources": {"requests": {"hugepages-1Gi": 1}}}, "spec.resources.requests: hugepages-1Gi is not available"),
    ],
)
def test_resources_that_a_whole_pod_cannot_have_are_told(spec: Json, message: str) -> None:
    with pytest.raises(UnsupportedPod, match=message):
        read(**spec)
