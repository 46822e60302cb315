"""What a pod needs at one time. The rules are Kubernetes' own, worked out here a second time for random pods."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.pod import Container, ContainerRole, Pod, Resources
from sidecar.domain.resources import effective
from tests.jobs import a_container, a_pod

GIB = 1024**3
INIT = ContainerRole.INIT
LASTING = [role for role in ContainerRole if role is not INIT]


def asking(name: str, role: ContainerRole = ContainerRole.MAIN, **resources: Any) -> Container:
    return replace(a_container(name, "true", role=role), requests=Resources(**resources))


NOTHING = Resources()


def a_pod_of(
    *containers: Container, requests: Resources = NOTHING, limits: Resources = NOTHING, overhead: Resources = NOTHING
) -> Pod:
    return replace(a_pod(*containers), requests=requests, limits=limits, overhead=overhead)


def test_main_containers_add_up_and_init_containers_take_turns() -> None:
    containers = [
        asking("i1", INIT, cpu_millis=5000, memory_bytes=1 * GIB),
        asking("i2", INIT, cpu_millis=1000, memory_bytes=7 * GIB, devices=(("nvidia.com/gpu", 4),)),
        asking("a", cpu_millis=1500, memory_bytes=2 * GIB, devices=(("amd.com/gpu", 1), ("nvidia.com/gpu", 1))),
        asking("b", cpu_millis=1500, memory_bytes=2 * GIB, devices=(("nvidia.com/gpu", 2),)),
    ]

    assert effective(a_pod_of(*containers)) == Resources(
        cpu_millis=5000, memory_bytes=7 * GIB, devices=(("amd.com/gpu", 1), ("nvidia.com/gpu", 4))
    )
    assert effective(a_pod_of(*containers[2:])) == Resources(
        cpu_millis=3000, memory_bytes=4 * GIB, devices=(("amd.com/gpu", 1), ("nvidia.com/gpu", 3))
    )


def test_an_init_container_needs_its_share_beside_what_started_before_it_and_stays() -> None:
    """The order is the pod's: what stays and comes later does not count for the init containers before it."""
    lasting = LASTING[0]
    before = [asking("first", INIT, cpu_millis=4000), asking("stays", lasting, cpu_millis=1000)]
    main = asking("main", cpu_millis=2000)

    assert effective(a_pod_of(*before, main)).cpu_millis == 4000
    assert effective(a_pod_of(*before, asking("last", INIT, cpu_millis=4000), main)).cpu_millis == 5000


def test_beside_others_that_state_cores_a_silent_container_counts_one() -> None:
    assert effective(a_pod_of(asking("a", cpu_millis=2000), asking("b"))).cpu_millis == 3000


def test_where_nobody_states_anything_nothing_is_known() -> None:
    overhead = Resources(cpu_millis=100, memory_bytes=GIB)

    assert effective(a_pod_of(asking("a"), asking("b", INIT), overhead=overhead)) == Resources()


def test_overhead_comes_on_top() -> None:
    pod = a_pod_of(
        asking("a", cpu_millis=1000, memory_bytes=GIB),
        overhead=Resources(cpu_millis=250, memory_bytes=GIB, ephemeral_bytes=5),
    )

    assert effective(pod) == Resources(cpu_millis=1250, memory_bytes=2 * GIB)


@pytest.mark.parametrize(
    ("requests", "limits", "cores"),
    [
        (None, None, 6000),
        (None, 4000, 4000),
        (3000, 4000, 4000),
        (8000, None, 8000),
        (3000, None, 5000),
    ],
    ids=["nothing", "a limit", "both", "a request", "a request below what a container may use"],
)
def test_what_the_pod_states_as_a_whole_wins(requests: int | None, limits: int | None, cores: int) -> None:
    pod = a_pod_of(
        asking("a", cpu_millis=5000),
        asking("silent"),
        requests=Resources(cpu_millis=requests),
        limits=Resources(cpu_millis=limits),
    )

    assert effective(pod).cpu_millis == cores


AMOUNTS = st.one_of(st.none(), st.integers(0, 9))
CONTAINERS = st.lists(st.tuples(st.sampled_from([INIT, *LASTING]), AMOUNTS), min_size=1, max_size=7)


@given(CONTAINERS)
def test_memory_is_what_kubernetes_own_formula_gives(stated: list[tuple[ContainerRole, int | None]]) -> None:
    """max(sum of all that stay, for each init container: it and all that stay and come before it)."""
    containers = [asking(f"c{n}", role, memory_bytes=amount) for n, (role, amount) in enumerate(stated)]
    amounts = [(role, amount or 0) for role, amount in stated]
    needs = [sum(amount for role, amount in amounts if role is not INIT)]
    for place, (role, amount) in enumerate(amounts):
        if role is INIT:
            needs.append(amount + sum(a for r, a in amounts[:place] if r is not INIT))
    expected = max(needs) if any(amount is not None for _, amount in stated) else None

    assert effective(a_pod_of(*containers)).memory_bytes == expected
