"""Probes and hooks as the runner reads them: one file of arrays for each container that has any.

The file has mode 0600, as commands and headers may hold secrets. See ``runner/health.sh`` for its reader.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from sidecar.domain.health import Action, ExecAction, GrpcAction, HttpAction, Probe, SleepAction, TcpAction
from sidecar.domain.pod import Container

_HOST = "127.0.0.1"
"""Containers share the node's network, so what listens in one of them is found here."""
_IN_URLS = "/?&=%+:@!$'()*,;~#[]"
"""Characters that stay as they are in the path and query of a probe."""


def lifecycle_text(container: Container) -> bytes:
    """The container's probes and hooks as bash; empty where it has none."""
    return "".join(f"{line}\n" for line in _lines(container)).encode()


def _lines(container: Container) -> Iterator[str]:
    probes = {"startup": container.startup, "liveness": container.liveness, "readiness": container.readiness}
    for name, probe in probes.items():
        if probe is not None:
            yield _array(f"sidecar_{name}", [*_timing(probe), *_words(probe.action)])
    hooks = {"post_start": container.post_start, "pre_stop": container.pre_stop}
    for name, hook in hooks.items():
        if hook is not None:
            yield _array(f"sidecar_{name}", _words(hook))


def _array(name: str, words: Iterable[str]) -> str:
    return f"{name}=({shlex.join(words)})"


def _timing(probe: Probe) -> list[str]:
    return [
        str(probe.initial_delay_seconds),
        str(probe.period_seconds),
        str(probe.timeout_seconds),
        str(probe.success_threshold),
        str(probe.failure_threshold),
        "" if probe.grace_seconds is None else str(probe.grace_seconds),
    ]


def _words(action: Action) -> list[str]:
    match action:
        case ExecAction(command=command):
            return ["exec", *command]
        case HttpAction(scheme=scheme, host=host, port=port, path=path):
            url = f"{scheme}://{_authority(host, port)}/{quote(path.removeprefix('/'), safe=_IN_URLS)}"
            return ["http", url, "".join(_header(name, value) for name, value in action.headers)]
        case TcpAction(host=host, port=port):
            return ["tcp", host or _HOST, str(port)]
        case GrpcAction(port=port, service=service, tls=tls):
            url = f"http{'s' if tls else ''}://{_HOST}:{port}/grpc.health.v1.Health/Check"
            return ["grpc", url, _frame(service.encode())]
        case SleepAction(seconds=seconds):
            return ["sleep", str(seconds)]


def _authority(host: str, port: int) -> str:
    host = host or _HOST
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _header(name: str, value: str) -> str:
    """A line of curl's configuration; a value of nothing but white space needs a semicolon there.

    Source: https://curl.se/docs/manpage.html#-H
    """
    text = f"{name}: {value}" if value.strip(" \t") else f"{name};"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'header = "{escaped}"\n'


def _frame(service: bytes) -> str:
    """A ``HealthCheckRequest`` (field 1: the service's name) as one message of gRPC, in octal for bash's printf.

    Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
    """
    message = b"\x0a" + _varint(len(service)) + service if service else b""
    return "".join(f"\\0{byte:03o}" for byte in b"\0" + len(message).to_bytes(4, "big") + message)


def _varint(number: int) -> bytes:
    low = number & 0x7F
    return bytes([low]) if number < 0x80 else bytes([low | 0x80]) + _varint(number >> 7)
