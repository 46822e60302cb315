"""A pod has its node's network, whatever it says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.pods import a_container, a_pod
from tests.virtual_kubelet.kubelet import VirtualKubelet


@pytest.mark.parametrize(("name", "host_network"), [("network-host", True), ("network-own", False)])
def test_a_container_is_in_its_nodes_network_and_every_port_can_be_reached(
    vk: VirtualKubelet, name: str, host_network: bool
) -> None:
    ports = [{"name": "web", "containerPort": 8080, "protocol": "TCP"}]
    vk.create_pod(a_pod(name, a_container(script="readlink /proc/self/ns/net", ports=ports), hostNetwork=host_network))

    vk.wait_for(name, "Succeeded")

    # The nodes of the tests' cluster are this machine.
    assert vk.logs(name) == f"{Path('/proc/self/ns/net').readlink()}\n"
