"""A job that reaches its time limit. Slurm counts in minutes, so the pod is created when the tests begin."""

from __future__ import annotations

from tests.e2e.waiting import until
from tests.running import running
from tests.virtual_kubelet.kubelet import VirtualKubelet


def test_a_job_that_reaches_its_time_limit_fails_the_pod(vk: VirtualKubelet, timed: str) -> None:
    vk.wait_for(timed, "Failed", timeout=150)

    ended = vk.container(timed)["state"]["terminated"]
    assert ended["exitCode"] == 143
    assert "time limit" in ended["message"]
    until(lambda: running("sleep 8823") == [], "no process of the pod is left, not even those that nobody waits for")


def test_a_process_that_ignores_term_does_not_outlive_the_time_limit(vk: VirtualKubelet, timed_deaf: str) -> None:
    vk.wait_for(timed_deaf, "Failed", timeout=150)

    ended = vk.container(timed_deaf)["state"]["terminated"]
    assert ended["exitCode"] == 137
    assert "time limit" in ended["message"]
    until(lambda: running("sleep 8824") == [], "no process of the pod is left")
