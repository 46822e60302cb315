"""Addresses of hosts, found without holding up the loop."""

import os
import socket

from sidecar.runner.probes.outcomes import ActionFailed
from sidecar.runner.system import processes
from sidecar.runner.system.event_loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Tuple

    Address = Tuple[int, str]
    """The family and the numbers."""

_LOCALHOST = [(int(socket.AF_INET), "127.0.0.1"), (int(socket.AF_INET6), "::1")]
"""Needs no question. Source: https://www.rfc-editor.org/rfc/rfc6761#section-6.3"""
_MAX_ADDRESSES = 10


async def addresses(loop: Loop, host: str) -> "List[Address]":
    """The addresses of a host, the preferred one first.

    :raises ActionFailed: there are none
    """
    if host == "localhost":
        return _LOCALHOST
    if is_numeric(host):
        return [(int(socket.AF_INET6 if ":" in host else socket.AF_INET), host)]
    return await _ask(loop, host)


def is_numeric(host: str) -> bool:
    """Whether the host is an address rather than a name."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host.partition("%")[0])
    except (OSError, ValueError):
        return False
    return True


async def _ask(loop: Loop, host: str) -> "List[Address]":
    """Ask in a child: ``getaddrinfo`` blocks for as long as the name servers do not answer."""
    try:
        said = await _from_child(loop, lambda write_end: _tell(host, write_end))
    except OSError as error:  # no descriptor or no process is left
        raise ActionFailed(f"cannot resolve {host}: {error.strerror}") from None
    return _parse(said, host)


async def _from_child(loop: Loop, tell: "Callable[[int], int]") -> bytes:
    """What a child writes into a pipe; the child is gone afterwards."""
    read_end, write_end = os.pipe()
    try:
        try:
            child = processes.fork(loop, lambda: tell(write_end))
        finally:
            os.close(write_end)
        try:
            return await _read_all(loop, read_end)
        finally:
            child.kill()
    finally:
        os.close(read_end)


def _tell(host: str, write_end: int) -> int:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        said = "".join(f"{int(family)} {address[0]}\n" for family, _, _, _, address in found[:_MAX_ADDRESSES])
    except (OSError, ValueError) as error:  # ValueError: no name that the DNS could have
        said = f"! {getattr(error, 'strerror', None) or error}\n"
    os.write(write_end, said.encode())
    return 0


async def _read_all(loop: Loop, descriptor: int) -> bytes:
    said = b""
    while True:
        await loop.readable(descriptor)
        more = os.read(descriptor, 4096)
        said += more
        if not more:
            return said


def _parse(said: bytes, host: str) -> "List[Address]":
    lines = said.decode("utf-8", "replace").splitlines()
    if not lines or lines[0].startswith("!"):
        why = lines[0][2:] if lines else "the resolver did not answer"
        raise ActionFailed(f"cannot resolve {host}: {why}")
    found = []
    for line in lines:
        family, _, address = line.partition(" ")
        if family.isdigit() and address:
            found.append((int(family), address))
    return found
