"""Connections in the event loop.

No function here has a time limit of its own: the caller limits the whole action. Errors of the network are
:class:`ActionFailed`.
"""

import errno
import os
import socket

from sidecar.runner.probes import resolver
from sidecar.runner.probes.outcomes import ActionFailed
from sidecar.runner.system.event_loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Sequence

_CHUNK_BYTES = 16 * 1024
"""Of one read; no record of TLS is longer."""


class Connection:
    """A TCP connection, plain or with TLS."""

    def __init__(self, loop: Loop, connected: socket.socket) -> None:
        self._loop = loop
        self._socket = connected

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            await self._loop.writable(self._socket.fileno())
            try:
                rest = rest[self._socket.send(rest) :]
            except OSError as error:
                await self._wait_or_fail(error)

    async def receive(self) -> bytes:
        """Some bytes, as soon as there are any; empty at the end."""
        while True:
            # Waits even if there is something to read already: others shall have their turn, whatever a server sends.
            if not self._has_decrypted():
                await self._loop.readable(self._socket.fileno())
            try:
                return self._socket.recv(_CHUNK_BYTES)
            except OSError as error:
                await self._wait_or_fail(error)

    def _has_decrypted(self) -> bool:
        """Whether TLS has bytes of a record that it took from the kernel already."""
        pending = getattr(self._socket, "pending", None)
        return pending is not None and pending() > 0

    async def start_tls(self, name: "Optional[str]", protocols: "Sequence[str]" = ()) -> None:
        """Speak TLS from now on; any certificate will do, as for a kubelet.

        :param name: of the server, for one that has several
        :param protocols: for ALPN
        """
        try:
            import ssl  # takes long to load, and few pods need it
        except ImportError:
            raise ActionFailed("the Python of this node has no TLS") from None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if protocols:
            context.set_alpn_protocols(list(protocols))
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=name, do_handshake_on_connect=False)
        except (OSError, ValueError) as error:
            raise _failure(error) from None
        await self._shake_hands()

    async def _shake_hands(self) -> None:
        while True:
            try:
                self._socket.do_handshake()  # type: ignore[attr-defined]  # it is an SSLSocket now
            except OSError as error:
                await self._wait_or_fail(error)
            else:
                return

    async def _wait_or_fail(self, error: OSError) -> None:
        """Wait for what TLS or the kernel asks to wait for.

        :raises ActionFailed: the error is another one
        """
        kind = type(error).__name__  # by name, as the module may not be loaded
        if kind == "SSLWantReadError":
            await self._loop.readable(self._socket.fileno())
        elif kind == "SSLWantWriteError":
            await self._loop.writable(self._socket.fileno())
        elif not isinstance(error, (BlockingIOError, InterruptedError)):
            raise _failure(error) from None

    def close(self) -> None:
        """Close it; what the other end has not taken yet may be lost."""
        self._socket.close()


async def connect(loop: Loop, host: str, port: int) -> Connection:
    """A connection to a host, whose addresses are tried one after the other.

    :raises ActionFailed: no address accepts one; says what became of the last
    """
    failure = ActionFailed(f"cannot resolve {host}: there is no address")
    for family, address in await resolver.addresses(loop, host):
        try:
            return await _connect(loop, family, address, port)
        except OSError as error:
            failure = ActionFailed(f"cannot connect to {at(address, port)}: {_reason(error)}")
    raise failure


async def _connect(loop: Loop, family: int, address: str, port: int) -> Connection:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        await _establish(loop, one, address, port)
    except BaseException:  # also when the task is cancelled
        one.close()
        raise
    return Connection(loop, one)


async def _establish(loop: Loop, one: socket.socket, address: str, port: int) -> None:
    one.setblocking(False)
    code = one.connect_ex((address, port))
    if code == errno.EINPROGRESS:
        await loop.writable(one.fileno())
        code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code or _is_connected_to_itself(one):
        raise OSError(code or errno.ECONNREFUSED, os.strerror(code or errno.ECONNREFUSED))
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _is_connected_to_itself(one: socket.socket) -> bool:
    """Whether the kernel has given it, by chance, the very port that it was to connect to, and nobody listens there.

    Source: https://github.com/golang/go/blob/go1.24.0/src/net/tcpsock_posix.go, ``selfConnect``
    """
    try:
        return bool(one.getsockname() == one.getpeername())
    except OSError:
        return False  # it is closed again, so somebody was there


def at(host: str, port: int) -> str:
    """Host and port, as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _failure(error: Exception) -> ActionFailed:
    if type(error).__module__ == "ssl":
        return ActionFailed(f"TLS failed: {_reason(error)}")
    return ActionFailed(f"the connection broke: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Why, without OpenSSL's codes and places: ``[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:992)``."""
    reason = getattr(error, "reason", None)
    if reason:
        return str(reason).lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
