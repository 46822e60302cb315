"""When a container is started again, and after how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.containers.restarts import ALWAYS, NEVER, ON_FAILURE, Backoff, may_restart, policy_of


@pytest.mark.parametrize(
    ("policy", "code", "expected"),
    [
        (ALWAYS, 0, True),
        (ALWAYS, 1, True),
        (ON_FAILURE, 0, False),
        (ON_FAILURE, 1, True),
        (ON_FAILURE, 128, True),
        (NEVER, 0, False),
        (NEVER, 1, False),
    ],
)
def test_the_restart_policy_decides(policy: str, code: int, expected: bool) -> None:
    assert may_restart(policy, code, 0, None) is expected


@pytest.mark.parametrize(
    ("restarts", "limit", "expected"), [(0, 0, False), (1, 2, True), (2, 2, False), (99, None, True)]
)
def test_the_site_limits_how_often(restarts: int, limit: int | None, expected: bool) -> None:
    assert may_restart(ALWAYS, 1, restarts, limit) is expected


@pytest.mark.parametrize(
    ("role", "of_pod", "expected"),
    [
        ("main", ALWAYS, ALWAYS),
        ("main", NEVER, NEVER),
        ("init", ALWAYS, ON_FAILURE),
        ("init", ON_FAILURE, ON_FAILURE),
        ("init", NEVER, NEVER),
        ("sidecar", NEVER, ALWAYS),
        ("sidecar", ON_FAILURE, ALWAYS),
    ],
)
def test_init_containers_and_sidecars_have_policies_of_their_own(role: str, of_pod: str, expected: str) -> None:
    assert policy_of(role, of_pod) == expected


def test_each_wait_is_twice_the_one_before_up_to_a_limit() -> None:
    backoff = Backoff({"first": 10, "longest": 300, "reset_after": 600})

    assert [backoff.seconds(1) for _ in range(7)] == [10, 20, 40, 80, 160, 300, 300]


def test_after_a_long_run_the_waits_begin_anew() -> None:
    backoff = Backoff({"first": 10, "longest": 300, "reset_after": 600})
    waits = [backoff.seconds(ran_for) for ran_for in (1, 1, 599.9, 600, 1)]

    assert waits == [10, 20, 40, 10, 20]


@given(st.lists(st.floats(0, 2000), max_size=20))
def test_no_wait_is_shorter_than_the_first_or_longer_than_the_longest(runs: list[float]) -> None:
    backoff = Backoff({"first": 10, "longest": 300, "reset_after": 600})

    assert all(10 <= backoff.seconds(ran_for) <= 300 for ran_for in runs)
