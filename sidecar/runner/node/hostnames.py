"""What a pod's containers are called and call others: ``/etc/hosts`` and ``/etc/resolv.conf``."""

import os

from sidecar.runner.node.mounts import Bind
from sidecar.runner.system import folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Sequence

    from sidecar.runner.contract.pod_document import ContainerDocument, NamesDocument, PodDocument

_NODES = "/etc"


class Hostnames:
    """The pod's own files in ``/etc``: the node's, with the pod's names.

    A pod under MPI has none: its ranks on other nodes would not find them.
    """

    def __init__(self, document: "PodDocument", private: str, facts: "Dict[str, str]") -> None:
        """
        :param private: the job's folder on this node
        :param facts: what only the node knows; see ``addresses.node_facts``
        """
        self._names = document["names"]
        self._private = private
        self._address = facts["podIP"]
        self._has_files = document["mpi"] is None
        self.hostname = self._names["hostname"] if self._has_files else ""
        """Empty: the node's own."""

    def write(self) -> None:
        """Write the files, once in a job.

        :raises OSError: one cannot be written
        """
        if not self._has_files:
            return
        hosts = hosts_text(self._names, _text_of("hosts"), self._address)
        folders.write_private(self._path("hosts"), hosts, mode=0o644)
        if self._names["resolver"] != "none":
            resolver = resolver_text(self._names, _text_of("resolv.conf"))
            folders.write_private(self._path("resolv.conf"), resolver, mode=0o644)

    def variables(self) -> "Dict[str, str]":
        """What every container is told; its own environment wins."""
        return {"HOSTNAME": self.hostname} if self.hostname else {}

    def binds_of(self, container: "ContainerDocument") -> "List[Bind]":
        """The files that one container gets: not where a volume of its own takes their place."""
        if not self._has_files:
            return []
        taken = [mount["path"] for mount in container["mounts"]]
        names = ["hosts"] if self._names["resolver"] == "none" else ["hosts", "resolv.conf"]
        return [Bind(self._path(name), f"/etc/{name}", False) for name in names if f"/etc/{name}" not in taken]

    def _path(self, name: str) -> str:
        return os.path.join(self._private, name)


def _text_of(name: str) -> str:
    """One of the node's own files; empty if there is none."""
    try:
        with open(os.path.join(_NODES, name), encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError:
        return ""


def hosts_text(names: "NamesDocument", nodes: str, address: str) -> str:
    """The pod's ``/etc/hosts``: the node's, the pod itself, and its aliases.

    :param address: the pod's
    """
    lines = [" ".join(filter(None, (address, names["fqdn"], names["hostname"])))] if names["hostname"] else []
    lines += [" ".join(alias) for alias in names["aliases"]]
    return f"{nodes}\n" + "".join(f"{line}\n" for line in lines)


def resolver_text(names: "NamesDocument", nodes: str) -> str:
    """The pod's ``/etc/resolv.conf``: its own, or in addition to the node's.

    One line holds all domains: of several, only the last counts.
    Source: https://man7.org/linux/man-pages/man5/resolv.conf.5.html
    """
    lines: "List[str]" = []
    searches: "Sequence[str]" = ()
    for line in nodes.splitlines() if names["resolver"] == "more" else ():
        words = line.split()
        if words[:1] in (["search"], ["domain"]):
            searches = words[1:]
        else:
            lines.append(line.strip())
    lines += [f"nameserver {server}" for server in names["nameservers"]]
    domains = [*searches, *names["searches"]]
    lines += [f"search {' '.join(domains)}"] if domains else []
    lines += [f"options {' '.join(names['resolver_options'])}"] if names["resolver_options"] else []
    return "".join(f"{line}\n" for line in lines)
