"""Listening: a TCP port or a unix socket that only this user may open."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from sidecar.errors import CannotListen

SHUTDOWN_SECONDS = 5
_BACKLOG = 512


def listen(address: str, port: int) -> socket.socket:
    """A listening TCP socket.

    :raises CannotListen: the port is in use or not allowed
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # asyncio turns TCP_NODELAY on only where the protocol is named; without it every answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(
                f"port {port} of {address} is in use: another sidecar or plugin is running, "
                "or another program needs another SidecarPort"
            ) from error
        raise CannotListen(f"port {port} of {address} cannot be opened: {error.strerror}") from error
    return listener


def listen_unix(path: Path) -> socket.socket:
    """A listening unix socket with mode 0600; one that a crash left behind is replaced.

    :raises CannotListen: somebody listens there already, or the path cannot be used
    """
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    former = os.umask(0o177)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(f"socket {path} cannot be opened: {error.strerror or error}") from error
    finally:
        os.umask(former)
    return listener


def _remove_stale(path: Path) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CannotListen(f"{path} is in the way of the socket and is no socket; remove it or change Socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise CannotListen(f"socket {path} is in use by another program")
        path.unlink()


class Server(uvicorn.Server):
    """uvicorn, telling when it was asked to stop, so that streams can end."""

    def __init__(self, app: ASGIApp, *, on_exit: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
                server_header=False,
            )
        )
        self._on_exit = on_exit

    def handle_exit(self, sig: int, frame: object) -> None:
        """A signal asks for the end; uvicorn's own handler would raise it again before anything else is closed."""
        self._on_exit()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
