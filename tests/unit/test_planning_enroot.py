"""What a site with Enroot plans, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.plan import SitePolicy
from sidecar.domain.planning import plan
from sidecar.domain.pod import JobOptions, Pod, Resources
from sidecar.errors import UnsupportedPod
from tests.jobs import a_container, a_pod

ENROOT = SitePolicy(runtime="enroot", runtime_options=("--rw",))


def test_its_own_options_come_before_the_pod_s_and_gpus_add_none() -> None:
    container = replace(a_container(), requests=Resources(devices=(("nvidia.com/gpu", 1),)))
    pod = a_pod(container, options=JobOptions(runtime_options=("--root",)))

    [planned] = plan(pod, ENROOT, token="t").containers
    assert planned.runtime_options == ("--rw", "--root")
    assert planned.is_writable


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        (a_pod(options=JobOptions(mpi_flags=())), "mpi-flags: this site runs Enroot"),
        (a_pod(a_container(env={"KEY": "a\nb"})), "variable KEY: .* cannot hand on a value of several lines"),
        (a_pod(a_container(env={"my-key": "y"})), "variable my-key: .* only names of letters"),
        (a_pod(a_container(env={"ENROOT_X": "y"})), "variable ENROOT_X: .* keeps such names for itself"),
    ],
)
def test_what_it_would_change_in_silence_is_refused(pod: Pod, message: str) -> None:
    assert plan(pod, SitePolicy(), token="t").containers
    with pytest.raises(UnsupportedPod, match=message):
        plan(pod, ENROOT, token="t")


@pytest.mark.parametrize("option", ["--mount", "-m", "--conf", "--rc=/x"])
def test_its_mounting_options_follow_the_rules_for_host_paths(option: str) -> None:
    pod = a_pod(options=JobOptions(runtime_options=(option,)))

    assert plan(pod, ENROOT, token="t").containers
    with pytest.raises(UnsupportedPod, match=r"annotation slurm-job\.vk\.io/enroot-options: "):
        plan(pod, replace(ENROOT, allowed_host_paths=("/data",)), token="t")
