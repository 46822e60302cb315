"""Servers that say whatever a test wants, and actions that ask them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sidecar.runner.probes.actions import act
from sidecar.runner.probes.outcomes import Outcome
from sidecar.runner.system.event_loop import Loop

if TYPE_CHECKING:
    from sidecar.runner.contract.pod_document import ActionDocument

Talk = Callable[[socket.socket], None]


async def no_command(command: list[str], seconds: float | None) -> Outcome:
    """There is no container."""
    raise NotImplementedError(command, seconds)


def ask(loop: Loop, action: ActionDocument, seconds: float | None = 30) -> tuple[bool, str]:
    """Whether the action succeeded, and what it said."""
    outcome = loop.run(act(loop, action, seconds, no_command))
    return outcome.ok, outcome.words


def http(port: int, path: str = "/", *, host: str = "", scheme: str = "http", headers: object = ()) -> ActionDocument:
    """A request."""
    pairs = [list(pair) for pair in headers]  # type: ignore[attr-defined]
    return {"kind": "http", "scheme": scheme, "host": host, "port": port, "path": path, "headers": pairs}


def tcp(port: int, host: str = "") -> ActionDocument:
    """A connection."""
    return {"kind": "tcp", "host": host, "port": port}


def grpc(port: int, service: str = "", *, tls: bool = False) -> ActionDocument:
    """A health check."""
    return {"kind": "grpc", "port": port, "service": service, "tls": tls}


@contextmanager
def raw_server(talk: Talk, *, family: socket.AddressFamily = socket.AF_INET) -> Iterator[int]:
    """Yields the port of a server that talks to one client after the other."""
    with socket.socket(family) as listening:
        listening.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=_serve, args=(listening, talk), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def _serve(listening: socket.socket, talk: Talk) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        with client, suppress(OSError):
            client.settimeout(60)
            talk(client)


def saying(answer: bytes) -> Talk:
    """Read a request, answer so, and close."""

    def talk(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(answer)

    return talk


def until_closed(client: socket.socket) -> None:
    """Wait until the other end is closed."""
    while client.recv(65536):
        pass


def unused_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port: int = closed.getsockname()[1]
        return port
