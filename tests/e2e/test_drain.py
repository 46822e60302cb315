"""A real daemon that is drained, killed and started again, beside a real job."""

from __future__ import annotations

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_pod
from tests.virtual_kubelet.kubelet import VirtualKubelet


def test_a_drained_node_finishes_its_pods_and_takes_new_ones_when_the_drain_ends(
    own_daemon: Daemon, own_vk: VirtualKubelet
) -> None:
    own_vk.create_pod(a_pod("there", script="until [ -e /tmp/never ]; do sleep 0.2; done"))
    own_vk.wait_for("there", "Running")

    assert "1 pod is still there" in own_daemon.cli("drain", "--reason", "kernel update")

    own_daemon.kill()
    own_daemon.start()
    own_vk.create_pod(a_pod("refused"))
    assert own_vk.phase_of("refused") == "Failed"
    assert "(kernel update) and takes no new pods" in own_vk.pod("refused")["status"]["message"]
    drained = own_vk.ping()
    assert drained.taints is not None
    assert [taint.key for taint in drained.taints] == ["slurm-job.vk.io/draining"]
    own_vk.poll()
    assert own_vk.phase_of("there") == "Running"
    own_vk.delete_pod("there", grace_seconds=1)

    own_daemon.cli("undrain")
    own_vk.create_pod(a_pod("taken"))
    own_vk.wait_for("taken", "Succeeded")
    assert own_vk.ping().taints == []
