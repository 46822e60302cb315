"""Which user and group a pod's job gets, and what is refused; nobody ever gets root."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.plan import Flavor, SitePolicy
from sidecar.domain.planning import plan
from sidecar.domain.pod import JobOptions
from sidecar.domain.users import UserPolicy
from sidecar.errors import UnsupportedPod
from sidecar.wire import create
from tests.factories import Json, a_container_json, a_pod_json, a_request, body
from tests.jobs import a_pod

ORDINARY = SitePolicy(users=UserPolicy(own_uid=1000, own_gid=100))
ROOT = SitePolicy(
    users=UserPolicy(own_uid=0, own_gid=0, default_uid=2000, allowed=(range(3000, 4000), range(5000, 5001))),
    flavors={"big": Flavor(name="big", uid=2001), "plain": Flavor(name="plain")},
)
IDS = st.one_of(st.none(), st.integers(0, 6000))


def uid_of(policy: SitePolicy, user: int | None = None, group: int | None = None, flavor: str = "") -> int | None:
    pod = replace(a_pod(options=JobOptions(flavor=flavor)), run_as_user=user, run_as_group=group)
    return plan(pod, policy, token="t").uid


def asked(*containers: Json | None, pod: Json | None = None) -> tuple[int | None, int | None]:
    """User and group of a pod whose containers have these security contexts."""
    made = [a_container_json(f"c{n}", securityContext=context) for n, context in enumerate(containers)]
    read = create.read(body(a_request(a_pod_json(*made, securityContext=pod))), SitePolicy())
    return read.run_as_user, read.run_as_group


def test_an_ordinary_users_daemon_runs_jobs_as_that_user_only() -> None:
    assert uid_of(ORDINARY) == uid_of(ORDINARY, 1000, 100) == 1000
    with pytest.raises(UnsupportedPod, match=r"securityContext\.runAsUser: jobs run as UID 1000 here; leave it out"):
        uid_of(ORDINARY, 1001)
    with pytest.raises(UnsupportedPod, match=r"securityContext\.runAsGroup: jobs run as GID 100 here; leave it out"):
        uid_of(ORDINARY, 1000, 101)


def test_the_pods_own_word_comes_before_the_flavors_and_that_before_the_sites() -> None:
    assert uid_of(ROOT) == uid_of(ROOT, flavor="plain") == 2000
    assert uid_of(ROOT, flavor="big") == 2001
    assert uid_of(ROOT, 3000, flavor="big") == 3000


@pytest.mark.parametrize("uid", [2000, 2001, 3000, 3999, 5000])
def test_a_pod_may_name_whom_the_site_names(uid: int) -> None:
    assert uid_of(ROOT, uid) == uid


@pytest.mark.parametrize("uid", [1, 1999, 2002, 2999, 4000, 5001])
def test_a_pod_may_not_name_anybody_else(uid: int) -> None:
    with pytest.raises(UnsupportedPod, match=rf"pods may not run as UID {uid} at this site \(AllowedUIDs\)"):
        uid_of(ROOT, uid)


@given(IDS, IDS, st.sampled_from([ORDINARY, ROOT, SitePolicy(users=UserPolicy(own_uid=0))]))
def test_nobody_ever_gets_root(user: int | None, group: int | None, policy: SitePolicy) -> None:
    try:
        assert uid_of(policy, user, group) not in (0, None)
    except UnsupportedPod:
        return


@pytest.mark.parametrize("flag", ["--uid=0", "--uid 0", "--gid=0"])
def test_flags_do_not_name_users(flag: str) -> None:
    with pytest.raises(UnsupportedPod, match=r"--(uid|gid).*securityContext\.runAs"):
        plan(a_pod(options=JobOptions(flags=tuple(flag.split()))), ROOT, token="t")


def test_a_containers_user_and_group_come_before_the_pods() -> None:
    assert asked({"runAsUser": 7, "runAsGroup": 8}, pod={"runAsUser": 1, "runAsGroup": 2}) == (7, 8)
    assert asked({"runAsGroup": 8}, pod={"runAsUser": 1, "runAsGroup": 2}) == (1, 8)
    assert asked(None, {}, pod={"runAsUser": 1}) == (1, None)


def test_containers_that_name_nobody_go_with_the_others() -> None:
    assert asked({"runAsUser": 7}, None, {"runAsUser": 7}) == (7, None)


@pytest.mark.parametrize(
    ("containers", "pod", "sentence"),
    [
        ([{"runAsUser": 7}, {"runAsUser": 8}], None, r"container c1: .*runAsUser is 8, but container c0: .* is 7"),
        ([{"runAsUser": 7}, None], {"runAsUser": 1}, r"container c0: .*runAsUser is 7, but spec\.securityContext"),
        ([{"runAsGroup": 7}, {"runAsGroup": 8}], None, r"runAsGroup is 8, .* one job of one user"),
    ],
)
def test_containers_of_different_users_are_refused(containers: list[Json], pod: Json, sentence: str) -> None:
    with pytest.raises(UnsupportedPod, match=sentence):
        asked(*containers, pod=pod)


@pytest.mark.parametrize("where", ["pod", "container"])
def test_root_and_what_is_no_id_are_refused_wherever_they_stand(where: str) -> None:
    for number, sentence in (
        (0, r"runAsUser: 0 \(root\) is never allowed"),
        (-1, "-1 is not a number"),
        (2**31, "is not"),
    ):
        context = {"runAsUser": number}
        with pytest.raises(UnsupportedPod, match=sentence):
            asked(context) if where == "container" else asked(None, pod=context)


def test_what_jobs_are_anyway_may_be_asked_for() -> None:
    modest = {"runAsNonRoot": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

    assert create.read(body(a_request(a_pod_json(a_container_json(securityContext=modest)))), SitePolicy()).notes == ()
