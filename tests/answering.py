"""Servers on this machine that probes and hooks ask; containers share its network."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc

from sidecar.domain.health import GrpcAction, HttpAction


class WebServer(ThreadingHTTPServer):
    """``/status/CODE`` answers with that code, ``/to/URL`` leads there, ``/round`` to itself, ``/slow`` waits for
    ``go_on``, ``/flag`` is 200 while ``is_well``, and 503 otherwise."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.headers: list[list[tuple[str, str]]] = []
        self.is_well = True
        self.go_on = threading.Event()

    def count(self, path: str) -> int:
        return self.asked.count(path)

    def get(self, path: str, *, scheme: str = "http", headers: tuple[tuple[str, str], ...] = ()) -> HttpAction:
        """A request to this server."""
        return HttpAction(scheme=scheme, port=self.server_port, path=path, headers=headers)


class _Handler(BaseHTTPRequestHandler):
    server: WebServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.headers.append(list(self.headers.items()))
        code = 200
        if self.path.startswith("/status/"):
            code = int(self.path.removeprefix("/status/"))
        elif self.path.startswith("/to/") or self.path == "/round":
            code = 302
        elif self.path == "/flag" and not self.server.is_well:
            code = 503
        elif self.path == "/slow":
            self.server.go_on.wait(60)
        self.send_response(code)
        if code == 302:
            self.send_header("Location", self.path.removeprefix("/to/"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """A test looks at what was asked."""


@contextmanager
def web_server(certificate: Path | None = None) -> Iterator[WebServer]:
    """With a certificate, it speaks HTTPS."""
    with WebServer() as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.go_on.set()
        server.shutdown()


def a_certificate(folder: Path) -> Path:
    """A self-signed one with its key, for a name that nobody asks for."""
    key, file = folder / "key.pem", folder / "both.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=nowhere.invalid"]
    subprocess.run([*words, "-keyout", str(key), "-out", str(file)], check=True, capture_output=True)
    file.write_text(key.read_text() + file.read_text())
    return file


SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


class _HealthService(grpc.GenericRpcHandler):
    """``grpc.health.v1.Health``, told by the name of the service that is asked for."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self._answers = answers

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        if handler_call_details.method != "/grpc.health.v1.Health/Check":
            return None
        handler: Callable[..., grpc.RpcMethodHandler[bytes, bytes]] = grpc.unary_unary_rpc_method_handler
        return handler(self._check)

    def _check(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        name = request[2:].decode() if len(request) < 128 else request[3:].decode()
        if name not in self._answers:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return self._answers[name]


@contextmanager
def grpc_server(answers: dict[str, bytes], certificate: Path | None = None) -> Iterator[Callable[..., GrpcAction]]:
    """Yields how to ask it for a service; with a certificate, it speaks TLS."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=[_HealthService(answers)])
    if certificate is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        both = certificate.read_bytes()
        credentials = grpc.ssl_server_credentials([(both, both[both.index(b"-----BEGIN CERTIFICATE") :])])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield lambda service="": GrpcAction(port=port, service=service, tls=certificate is not None)
    server.stop(None)
