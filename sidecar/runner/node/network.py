"""Ways out of the node: the site's proxy through a login node (Tsocks), and interLink's tunnels.

Both start before the pod's own shell text, which uses them. What they leave in the background belongs to the job's
session, where the job's end finds it.
"""

import os
import sys
import time

from sidecar.runner.node.addresses import has_more_nodes, node_name
from sidecar.runner.node.mounts import Bind
from sidecar.runner.system import folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional

    from sidecar.runner.contract.pod_document import PodDocument

_CONFIG = "tsocks.conf"
_CONFIG_IN_CONTAINER = "/etc/tsocks.conf"
_PORTS = range(10000, 32000)
"""Below those that outgoing connections take."""
_TRIES = 10
_SECONDS_TO_OPEN = 30
_SECONDS_TO_CONNECT = 20
_SECONDS_FOR_TUNNELS = 60


class NoProxy(Exception):
    """There is no proxy; the text is a sentence for the pod's logs, and no container can start."""


class _PortInUse(Exception):
    """Somebody else has taken the port just before."""


# ---------------------------------------------------------------- the site's proxy


def open_proxy(document: "PodDocument", private: str) -> str:
    """Open a SOCKS proxy on this node that leads through the login node, and goes on in the background.

    :param private: the job's folder on this node; the proxy is described there in ``tsocks.conf``
    :returns: the path of that file, for ``TSOCKS_CONF_FILE``
    :raises NoProxy: with the reason
    """
    site = document["site"]
    if not os.access(site["tsocks_library"], os.R_OK):
        node = node_name(os.environ)
        raise _no_proxy(document, f"there is no library {site['tsocks_library']} on node {node}")
    said = os.path.join(private, "ssh.said")
    for _ in range(_TRIES):
        port = _free_port()
        try:
            _start_proxy(document, port, said)
        except _PortInUse:
            continue
        config = os.path.join(private, _CONFIG)
        text = f"local = 10.0.0.0/255.0.0.0\nserver = 127.0.0.1\nserver_port = {port}\n"
        folders.write_private(config, text)
        return config
    raise _no_proxy(document, _last_line(said))


def _no_proxy(document: "PodDocument", reason: str) -> NoProxy:
    login = document["site"]["tsocks_login"][-1]
    return NoProxy(f"no tunnel to the login node {login}: {reason or 'ssh did not say why'}")


def _start_proxy(document: "PodDocument", port: int, said: str) -> None:
    """Start ssh and wait until it listens.

    :param said: the file to which goes what ssh says; it asks nothing, as nobody could answer
    :raises NoProxy: it ends, or does not listen in time
    :raises _PortInUse: another port may do
    """
    import subprocess

    words = ["ssh", "-4", "-N", "-D", f"127.0.0.1:{port}", *_ssh_options(), *document["site"]["tsocks_login"]]
    with open(said, "wb") as file:
        try:
            ssh = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        except OSError as error:
            raise _no_proxy(document, f"ssh: {error.strerror}") from None
    end = time.monotonic() + _SECONDS_TO_OPEN
    while not _is_listening(port, os.getuid()):
        if ssh.poll() is not None:
            reason = _last_line(said)
            raise _PortInUse if "in use" in _text_of(said) else _no_proxy(document, reason)
        if time.monotonic() > end:
            ssh.kill()
            ssh.wait()
            raise _no_proxy(document, f"it did not open within {_SECONDS_TO_OPEN} s")
        time.sleep(0.05)


def _ssh_options() -> "List[str]":
    options = ("BatchMode=yes", "ExitOnForwardFailure=yes", f"ConnectTimeout={_SECONDS_TO_CONNECT}")
    return [word for option in options for word in ("-o", option)]


def _text_of(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _last_line(path: str) -> str:
    return (_text_of(path).splitlines() or [""])[-1]


def _free_port() -> int:
    """A port on which nobody listens."""
    while True:
        port = _PORTS[int.from_bytes(os.urandom(4), "big") % len(_PORTS)]
        if not _is_listening(port):
            return port


def _is_listening(port: int, uid: "Optional[int]" = None) -> bool:
    """Whether a program, perhaps only one of this user, listens on a TCP port."""
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{name}") as table:
                if listens(table.read(), port, uid):
                    return True
        except OSError:
            continue  # a kernel without IPv6
    return False


def listens(table: str, port: int, uid: "Optional[int]" = None) -> bool:
    """Whether the kernel's table of TCP sockets has one of this user, or of anybody, that listens on the port.

    Source: https://docs.kernel.org/networking/proc_net_tcp.html
    """
    for line in table.splitlines()[1:]:
        _, local, _, state, _, _, _, owner = line.split()[:8]
        if state == "0A" and int(local.rpartition(":")[2], 16) == port and uid in (None, int(owner)):
            return True
    return False


# ---------------------------------------------------------------- interLink's tunnels


def run_tunnels(document: "PodDocument", private: str) -> None:
    """Run interLink's commands to their end; they leave a tunnel in the background.

    The containers wait for them a minute, and start also without the tunnel: then a sentence on stderr says so.

    :param private: the job's folder on this node; the commands run in its ``tmp``
    """
    import subprocess

    path = os.path.join(private, "tunnels.sh")
    folders.write_private(path, document["tunnel_commands"])  # a file, because they hold a password
    words = [document["site"]["bash"], path]
    shell = subprocess.Popen(words, stdin=subprocess.DEVNULL, cwd=os.path.join(private, "tmp"))
    try:
        if shell.wait(_SECONDS_FOR_TUNNELS) != 0:
            _say("failed; the containers start without")
    except subprocess.TimeoutExpired:
        _say("stay in the foreground; the containers start beside them")


def _say(what: str) -> None:
    sys.stderr.write(f"slurm-sidecar: the pod's tunnel commands {what}\n")


# ---------------------------------------------------------------- what a container knows of its network


def variables_of(document: "PodDocument", environment: "Mapping[str, str]") -> "Dict[str, str]":
    """What every container is told; its own environment wins, so a pod that sets LD_PRELOAD does without the proxy.

    :param environment: the job's
    """
    variables = {"POD_IP": document["pod_ip"]} if document["pod_ip"] else {}
    if _reaches_proxy(document, environment):
        variables["LD_PRELOAD"] = document["site"]["tsocks_library"]
        variables["TSOCKS_CONF_FILE"] = _CONFIG_IN_CONTAINER
    return variables


def binds_of(document: "PodDocument", private: str, environment: "Mapping[str, str]") -> "List[Bind]":
    """The files of the proxy that every container sees.

    :param private: the job's folder on this node
    :param environment: the job's
    """
    if not _reaches_proxy(document, environment):
        return []
    library = document["site"]["tsocks_library"]
    return [
        Bind(os.path.realpath(library), library, True),
        Bind(os.path.join(private, _CONFIG), _CONFIG_IN_CONTAINER, True),
    ]


def _reaches_proxy(document: "PodDocument", environment: "Mapping[str, str]") -> bool:
    """In interLink's mesh, and on a job's other nodes, nobody could reach this node's proxy."""
    spans_nodes = document["mpi"] is not None and has_more_nodes(environment)
    return bool(document["site"]["tsocks_library"]) and not document["in_mesh"] and not spans_nodes
