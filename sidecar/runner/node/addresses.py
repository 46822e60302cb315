"""What only the node knows: its name, its address, and whether it is the job's only one."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Mapping

_ELSEWHERE = ("192.0.2.1", 9)
"""No host has this address, and nothing is sent to it. Source: https://www.rfc-editor.org/rfc/rfc5737"""
_OF_ADDRESSES = frozenset("0123456789abcdefABCDEF.:")


def node_facts(pod_ip: str, environment: "Mapping[str, str]") -> "Dict[str, str]":
    """A value for each of ``pod_document.NODE_FACTS``.

    :param pod_ip: the pod's own address, where interLink has given it one; else the node's counts
    """
    address = node_address()
    return {
        "nodeName": node_name(environment),
        "podIP": pod_ip if is_address(pod_ip) else address,
        "hostIP": address,
    }


def node_name(environment: "Mapping[str, str]") -> str:
    """What Slurm calls this node."""
    import _socket as socket

    return environment.get("SLURMD_NODENAME") or socket.gethostname()


def has_more_nodes(environment: "Mapping[str, str]") -> bool:
    """Whether the job has other nodes than this one."""
    return environment.get("SLURM_JOB_NUM_NODES", "1") != "1"


def is_address(text: str) -> bool:
    """Whether a text can stand for an address at the beginning of a line of ``/etc/hosts``."""
    return bool(text) and _OF_ADDRESSES.issuperset(text)


def node_address() -> str:
    """The IPv4 address by which the node is known; 127.0.0.1 for one that has no other.

    The name's own address comes first: with several networks, it is the one that the site has chosen.
    """
    import _socket as socket

    try:
        found = socket.getaddrinfo(socket.gethostname().encode(), None, socket.AF_INET, socket.SOCK_STREAM)
        known = [str(address[0]) for _, _, _, _, address in found]
    except (OSError, UnicodeError):
        known = []
    for address in known:
        if not address.startswith("127."):
            return address
    return _address_of_default_route() or "127.0.0.1"


def _address_of_default_route() -> str:
    """Where packets to other networks would come from; some nodes know themselves by a loopback address alone."""
    import _socket as socket

    unsent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        unsent.connect(_ELSEWHERE)
        return str(unsent.getsockname()[0])
    except OSError:
        return ""
    finally:
        unsent.close()
