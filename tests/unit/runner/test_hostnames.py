"""The pod's own ``/etc/hosts`` and ``/etc/resolv.conf``."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.node import hostnames
from sidecar.runner.node.hostnames import Hostnames, hosts_text, resolver_text
from sidecar.runner.node.mounts import Bind
from tests.unit.runner.documents import FACTS, a_container, a_mount, a_pod


def names(**fields: Any) -> Any:
    return {**a_pod()["names"], **fields}


def of(private: Path, **fields: Any) -> Hostnames:
    return Hostnames(a_pod(**fields), str(private), FACTS)


def test_the_pod_and_its_aliases_come_after_the_nodes_lines() -> None:
    aliases = [["10.9.9.9", "db", "db.lab"], ["::1", "six"]]
    text = hosts_text(names(hostname="demo", fqdn="demo.sub.svc", aliases=aliases), "127.0.0.1 localhost", "10.1.2.3")

    assert text == "127.0.0.1 localhost\n10.1.2.3 demo.sub.svc demo\n10.9.9.9 db db.lab\n::1 six\n"


def test_without_a_hostname_there_is_no_line_for_the_pod() -> None:
    assert hosts_text(names(), "127.0.0.1 localhost\n", "10.1.2.3") == "127.0.0.1 localhost\n\n"


NODES = "# the site's\nsearch old.example\nnameserver 192.0.2.9\n  domain  site.example more \noptions ndots:5"


def test_a_resolver_of_its_own_has_nothing_of_the_nodes() -> None:
    own = names(
        resolver="own",
        nameservers=["192.0.2.1", "192.0.2.2"],
        searches=["lab.example", "example"],
        resolver_options=["ndots:2", "edns0"],
    )

    assert resolver_text(own, NODES).splitlines() == [
        "nameserver 192.0.2.1",
        "nameserver 192.0.2.2",
        "search lab.example example",
        "options ndots:2 edns0",
    ]


def test_otherwise_it_is_added_to_the_nodes_whose_last_search_line_counts() -> None:
    more = names(resolver="more", nameservers=["192.0.2.1"], searches=["lab.example"])

    assert resolver_text(more, NODES).splitlines() == [
        "# the site's",
        "nameserver 192.0.2.9",
        "options ndots:5",
        "nameserver 192.0.2.1",
        "search site.example more lab.example",
    ]


@given(st.text())
def test_any_text_of_the_nodes_gives_one_search_line(nodes: str) -> None:
    text = resolver_text(names(resolver="more", searches=["lab"]), nodes)

    searches = [line for line in text.splitlines() if line.split()[:1] in (["search"], ["domain"])]
    assert len(searches) == 1
    assert searches[0].endswith(" lab")


def test_the_files_are_written_for_everybody_to_read(tmp_path: Path) -> None:
    pod = of(tmp_path, names=names(hostname="demo", resolver="own", nameservers=["192.0.2.1"]))
    pod.write()

    assert (tmp_path / "hosts").read_bytes().startswith(Path("/etc/hosts").read_bytes())
    assert (tmp_path / "hosts").read_text().endswith("\n10.1.2.3 demo\n")
    assert (tmp_path / "resolv.conf").read_text() == "nameserver 192.0.2.1\n"
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o644 for file in tmp_path.iterdir())
    assert pod.variables() == {"HOSTNAME": "demo"}


def test_a_node_without_such_files_gives_none_of_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostnames, "_NODES", str(tmp_path / "none"))
    of(tmp_path, names=names(hostname="demo", resolver="more", searches=["lab"])).write()

    assert (tmp_path / "hosts").read_text() == "\n10.1.2.3 demo\n"
    assert (tmp_path / "resolv.conf").read_text() == "search lab\n"


def test_a_container_gets_the_files_that_none_of_its_volumes_replaces(tmp_path: Path) -> None:
    pod = of(tmp_path, names=names(resolver="own"))
    hosts, resolver = (
        Bind(f"{tmp_path}/hosts", "/etc/hosts", False),
        Bind(f"{tmp_path}/resolv.conf", "/etc/resolv.conf", False),
    )

    assert pod.binds_of(a_container()) == [hosts, resolver]
    assert pod.binds_of(a_container(mounts=[a_mount("v", "/etc/hosts")])) == [resolver]
    assert of(tmp_path).binds_of(a_container()) == [hosts]


def test_under_mpi_there_are_no_names_that_other_nodes_would_miss(tmp_path: Path) -> None:
    pod = of(tmp_path, mpi=[], names=names(hostname="demo"))
    pod.write()

    assert (pod.hostname, pod.variables(), pod.binds_of(a_container())) == ("", {}, [])
    assert not list(tmp_path.iterdir())
