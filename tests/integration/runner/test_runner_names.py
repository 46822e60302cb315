"""What containers are called, and the names that they know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sidecar.domain.names import Names
from sidecar.domain.pod import FilesVolume, JobOptions, Mount, Pod, VolumeFile
from tests.jobs import a_container, a_pod
from tests.running import Starter


def named(text: str, names: Names, options: JobOptions | None = None) -> Pod:
    return replace(a_pod(a_container("main", "sh", "-c", text), options=options), names=names)


def test_a_container_has_the_pods_name_and_finds_its_address(start: Starter) -> None:
    text = 'hostname; echo "$HOSTNAME"; grep -w demo.x /etc/hosts'
    job = start(named(text, Names(hostname="demo.x", fqdn="demo.x.sub.lab.svc"), JobOptions(pod_ip="10.9.8.7")))

    assert job.finish() == 0
    assert job.log().splitlines() == ["demo.x", "demo.x", "10.9.8.7 demo.x.sub.lab.svc demo.x"]


def test_without_an_address_of_its_own_the_pod_has_the_nodes(start: Starter) -> None:
    job = start(named("grep -w demo /etc/hosts", Names(hostname="demo")))

    assert job.finish() == 0
    address, name = job.log().split()
    assert name == "demo"
    assert address.count(".") == 3


def test_the_pods_own_variable_wins(start: Starter) -> None:
    job = start(
        replace(
            a_pod(a_container("main", "sh", "-c", 'echo "$HOSTNAME"', env={"HOSTNAME": "mine"})),
            names=Names(hostname="demo"),
        )
    )

    assert job.finish() == 0
    assert job.log() == "mine\n"


def test_aliases_come_after_the_nodes_own_lines(start: Starter) -> None:
    aliases = (("10.1.2.3", "db", "db.lab"), ("::1", "six"))
    job = start(named("cat /etc/hosts; echo more >>/etc/hosts", Names(aliases=aliases)))

    assert job.finish() == 0
    assert job.log().startswith(Path("/etc/hosts").read_text())
    assert job.log().endswith("\n10.1.2.3 db db.lab\n::1 six\n")


def test_a_resolver_of_its_own_has_nothing_of_the_nodes(start: Starter) -> None:
    names = Names(
        resolver_is_own=True,
        nameservers=("192.0.2.1", "192.0.2.2"),
        searches=("lab.example", "example"),
        resolver_options=("ndots:2", "edns0"),
    )
    job = start(named("cat /etc/resolv.conf", names))

    assert job.finish() == 0
    assert job.log().splitlines() == [
        "nameserver 192.0.2.1",
        "nameserver 192.0.2.2",
        "search lab.example example",
        "options ndots:2 edns0",
    ]


def test_otherwise_it_is_added_to_the_nodes(start: Starter) -> None:
    job = start(named("cat /etc/resolv.conf", Names(searches=("lab.example",))))

    assert job.finish() == 0
    nodes = [line.split() for line in Path("/etc/resolv.conf").read_text().splitlines()]
    said = [line.split() for line in job.log().splitlines()]
    servers = [words for words in nodes if words[:1] == ["nameserver"]]
    assert [words for words in said if words[:1] == ["nameserver"]] == servers
    assert [words[-1] for words in said if words[:1] == ["search"]] == ["lab.example"]


def test_a_volume_may_take_the_place_of_these_files(start: Starter) -> None:
    pod = named("cat /etc/hosts", Names(hostname="demo"))
    volume = FilesVolume(name="v", files=(VolumeFile(path="hosts", content=b"mine\n"),))
    mount = Mount(volume="v", path="/etc/hosts", sub_path="hosts")
    job = start(replace(pod, volumes=(volume,), containers=(replace(pod.containers[0], mounts=(mount,)),)))

    assert job.finish() == 0
    assert job.log() == "mine\n"


def test_a_volume_over_all_of_etc_has_the_pods_names_in_it(start: Starter) -> None:
    pod = named("ls /etc; grep -c demo /etc/hosts", Names(hostname="demo"))
    volume = FilesVolume(name="v", files=(VolumeFile(path="app.conf", content=b"mine\n"),))
    main = replace(pod.containers[0], mounts=(Mount(volume="v", path="/etc"),))
    job = start(replace(pod, volumes=(volume,), containers=(main,)))

    assert job.finish() == 0
    assert {"app.conf", "hosts"} <= set(job.log().split())
    assert job.log().endswith("\n1\n")
