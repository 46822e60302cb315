"""What a pod is called, and the names that it brings for others."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.domain.names import Names
from sidecar.domain.plan import SitePolicy
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import create
from tests.factories import Json, a_pod_json, a_request, body


def names(name: str = "demo", **spec: Any) -> Names:
    return create.read(body(a_request(a_pod_json(name=name, **spec))), SitePolicy()).names


LONG = "p" * 62 + ".x" * 20


@pytest.mark.parametrize(
    ("name", "spec", "hostname", "fqdn"),
    [
        ("demo", {}, "demo", ""),
        ("demo.x", {}, "demo.x", ""),
        (LONG, {}, "p" * 62, ""),
        ("demo", {"hostname": "db", "subdomain": "dbs"}, "db", "db.dbs.lab.svc.cluster.local"),
        ("demo", {"subdomain": "s", "setHostnameAsFQDN": True}, *["demo.s.lab.svc.cluster.local"] * 2),
        ("demo", {"setHostnameAsFQDN": True}, "demo", ""),
        ("demo", {"hostNetwork": True, "hostname": "db"}, "", ""),
        ("demo", {"hostnameOverride": "any.thing", "hostname": "db", "subdomain": "s"}, "any.thing", ""),
    ],
)
def test_a_pod_is_called_as_in_kubernetes(name: str, spec: Json, hostname: str, fqdn: str) -> None:
    found = names(name, **spec)

    assert (found.hostname, found.fqdn) == (hostname, fqdn)


def test_aliases_and_the_resolver_are_read() -> None:
    found = names(
        hostAliases=[{"ip": "10.0.0.1", "hostnames": ["a", "B.c"]}, {"ip": "::1"}],
        dnsPolicy="None",
        dnsConfig={
            "nameservers": ["192.0.2.1"],
            "searches": ["lab.example", "."],
            "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
        },
    )

    assert found.aliases == (("10.0.0.1", "a", "b.c"), ("::1",))
    assert (found.resolver_is_own, found.nameservers, found.searches) == (True, ("192.0.2.1",), ("lab.example", "."))
    assert found.resolver_options == ("ndots:2", "edns0")


@pytest.mark.parametrize("policy", ["ClusterFirst", "Default", "ClusterFirstWithHostNet"])
def test_otherwise_a_pod_resolves_names_as_its_node(policy: str) -> None:
    assert not names(dnsPolicy=policy).has_resolver


@pytest.mark.parametrize(
    "spec",
    [
        {"hostAliases": [{"ip": "10.0.0.1 evil"}]},
        {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a b"]}]},
        {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a\nb"]}]},
        {"dnsConfig": {"nameservers": ["ns.example"]}},
        {"dnsConfig": {"searches": ["a\nnameserver 1.1.1.1"]}},
        {"dnsConfig": {"options": [{"name": "a b"}]}},
        {"dnsPolicy": "None"},
        {"dnsPolicy": "Other"},
        {"hostname": "a b"},
        {"subdomain": "a.b"},
    ],
)
def test_what_is_no_name_is_refused(spec: Json) -> None:
    with pytest.raises(MalformedRequest, match="spec"):
        names(**spec)


def test_a_full_name_must_fit_a_host() -> None:
    with pytest.raises(UnsupportedPod, match="longer than the 64 bytes of a hostname"):
        names("p" * 50, subdomain="s", setHostnameAsFQDN=True)
