"""The node's name and address, as this machine has them and as other machines may."""

from __future__ import annotations

import _socket
import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.contract.pod_document import NODE_FACTS
from sidecar.runner.node import addresses


def resolving(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    """Make the node's name stand for these addresses; for none: nobody knows it."""

    def getaddrinfo(*_: Any) -> Any:
        if not found:
            raise _socket.gaierror(_socket.EAI_NONAME, "Name or service not known")
        return [(_socket.AF_INET, _socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]

    monkeypatch.setattr(_socket, "getaddrinfo", getaddrinfo)


def test_the_facts_are_those_of_the_contract() -> None:
    facts = addresses.node_facts("10.9.8.7", {"SLURMD_NODENAME": "node1"})

    assert set(facts) == set(NODE_FACTS)
    assert (facts["nodeName"], facts["podIP"]) == ("node1", "10.9.8.7")
    assert ipaddress.ip_address(facts["hostIP"]).version == 4


@pytest.mark.parametrize("pod_ip", ["", "10.1.2.3 evil", "none"])
def test_a_pod_without_an_address_of_its_own_has_the_nodes(pod_ip: str) -> None:
    facts = addresses.node_facts(pod_ip, {})

    assert facts["podIP"] == facts["hostIP"]
    assert facts["nodeName"] == _socket.gethostname()


def test_the_first_address_that_is_not_a_loopback_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "127.0.1.1", "192.0.2.5", "192.0.2.6")

    assert addresses.node_address() == "192.0.2.5"


@pytest.mark.parametrize("found", [("127.0.1.1",), ()])
def test_a_node_with_a_loopback_name_has_its_default_routes_address(
    monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...]
) -> None:
    resolving(monkeypatch, *found)
    monkeypatch.setattr(addresses, "_address_of_default_route", lambda: "192.0.2.8")

    assert addresses.node_address() == "192.0.2.8"


def test_a_node_without_any_network_has_the_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch)
    monkeypatch.setattr(addresses, "_ELSEWHERE", ("255.255.255.255", 9))  # a plain socket must not speak to everybody

    assert addresses.node_address() == "127.0.0.1"


@given(st.ip_addresses())
def test_every_address_is_one(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert addresses.is_address(str(address))
