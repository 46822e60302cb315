"""Probes and lifecycle hooks of a request's containers."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping

from msgspec.structs import fields

from sidecar.domain import health
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import decode
from sidecar.wire import kubernetes as kube

_HEADER_NAME = re.compile(r"[-!#$%&'*+.^_`|~A-Za-z0-9]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HOST = re.compile(r"[A-Za-z0-9._:-]*")
_REAL_TIME = re.compile(r"SIG(RTMIN\+([1-9]|1[0-5])|RTMAX-([1-9]|1[0-4]))")


def probe(source: kube.Probe | None, where: str, ports: Mapping[str, int]) -> health.Probe | None:
    """A probe with Kubernetes' defaults.

    :param where: names the probe in an error
    :param ports: the container's named ports
    :raises MalformedRequest: it asks nothing, or a number is out of Kubernetes' range
    """
    if source is None:
        return None
    _check_alone(source, where)
    found = _action(source, where, ports)
    if found is None:
        raise MalformedRequest(f"{where}: expected one of exec, httpGet, tcpSocket and grpc")
    return health.Probe(
        action=found,
        initial_delay_seconds=_seconds(source.initial_delay_seconds, 0, 0, f"{where}.initialDelaySeconds"),
        period_seconds=_seconds(source.period_seconds or None, 10, 1, f"{where}.periodSeconds"),
        timeout_seconds=_seconds(source.timeout_seconds or None, 1, 1, f"{where}.timeoutSeconds"),
        success_threshold=_seconds(source.success_threshold or None, 1, 1, f"{where}.successThreshold"),
        failure_threshold=_seconds(source.failure_threshold or None, 3, 1, f"{where}.failureThreshold"),
        grace_seconds=_grace(source.termination_grace_period_seconds, where),
    )


def hook(source: kube.LifecycleHandler | None, where: str, ports: Mapping[str, int]) -> health.Action | None:
    """What a hook does; Kubernetes does nothing for a ``tcpSocket`` there.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#lifecycle-1
    """
    if source is None:
        return None
    _check_alone(source, where)
    if source.sleep is not None:
        return health.SleepAction(seconds=_seconds(source.sleep.seconds, 0, 0, f"{where}.sleep.seconds"))
    if source.exec is not None or source.http_get is not None:
        return _action(source, where, ports)
    return None


def stop_signal(text: str | None, where: str) -> str:
    """A signal's name without ``SIG``; TERM where none is given."""
    text = text or "SIGTERM"
    if text in signal.Signals.__members__:
        text = signal.Signals[text].name  # bash knows no second names, such as SIGCLD
    elif not _REAL_TIME.fullmatch(text):
        raise MalformedRequest(f"{where}.stopSignal: expected a name such as SIGUSR1, got {text!r}")
    return text.removeprefix("SIG")


def _check_alone(source: kube.Handler, where: str) -> None:
    kinds = [kind for kind in ("exec", "httpGet", "tcpSocket", "grpc", "sleep") if _has(source, kind)]
    if len(kinds) > 1:
        raise MalformedRequest(f"{where}: expected one thing to do, got {' and '.join(kinds)}")


def _has(source: kube.Handler, kind: str) -> bool:
    return any(f.encode_name == kind and getattr(source, f.name) is not None for f in fields(source))


def _action(source: kube.Handler, where: str, ports: Mapping[str, int]) -> health.Action | None:
    if source.exec is not None:
        return _command(source.exec, f"{where}.exec")
    if source.http_get is not None:
        return _request(source.http_get, f"{where}.httpGet", ports)
    if source.tcp_socket is not None:
        place = f"{where}.tcpSocket"
        return health.TcpAction(
            host=_host(source.tcp_socket.host, place), port=_port(source.tcp_socket.port, place, ports)
        )
    if isinstance(source, kube.Probe) and source.grpc is not None:
        return _health_check(source.grpc, f"{where}.grpc")
    return None


def _command(source: kube.ExecAction, where: str) -> health.Action:
    if not source.command:
        raise MalformedRequest(f"{where}.command: expected a command")
    if any("\0" in word for word in source.command):
        raise MalformedRequest(f"{where}.command: a word cannot contain NUL")
    return health.ExecAction(command=tuple(source.command))


def _request(source: kube.HTTPGetAction, where: str, ports: Mapping[str, int]) -> health.Action:
    scheme = (source.scheme or "HTTP").lower()
    if scheme not in ("http", "https"):
        raise MalformedRequest(f"{where}.scheme: expected HTTP or HTTPS, got {source.scheme!r}")
    if "\0" in (source.path or ""):
        raise MalformedRequest(f"{where}.path: cannot contain NUL")
    return health.HttpAction(
        scheme=scheme,
        host=_host(source.host, where),
        port=_port(source.port, where, ports),
        path=source.path or "/",
        headers=tuple(_header(header, where) for header in source.http_headers or []),
    )


def _health_check(source: kube.GRPCAction, where: str) -> health.Action:
    if source.mode not in (None, "", "Plaintext", "TLS"):
        raise MalformedRequest(f"{where}.mode: expected Plaintext or TLS, got {source.mode!r}")
    return health.GrpcAction(port=_port(source.port, where, {}), service=source.service or "", tls=source.mode == "TLS")


def _header(header: kube.HTTPHeader, where: str) -> tuple[str, str]:
    if not _HEADER_NAME.fullmatch(header.name):
        raise MalformedRequest(f"{where}.httpHeaders: {header.name!r} is not a header's name")
    if _CONTROL.search(header.value):
        raise MalformedRequest(f"{where}.httpHeaders: the value of {header.name} has a control character")
    return header.name, header.value


def _host(text: str | None, where: str) -> str:
    if not _HOST.fullmatch(text or ""):
        raise UnsupportedPod(f"{where}.host: {text!r} is not a host's name or address")
    return text or ""


def _port(port: int | str, where: str, ports: Mapping[str, int]) -> int:
    """A number, or the name of one of the container's ports."""
    number = ports.get(port, port) if isinstance(port, str) else port
    if isinstance(number, str) and number.isdecimal():
        number = int(number)
    if isinstance(number, str):
        raise MalformedRequest(f"{where}.port: the container has no port named {port!r}")
    if not 1 <= number <= 65535:
        raise MalformedRequest(f"{where}.port: expected 1 to 65535, got {number}")
    return number


def _seconds(value: int | None, default: int, least: int, where: str) -> int:
    value = default if value is None else value
    if not least <= value <= decode.MOST_SECONDS:
        raise MalformedRequest(f"{where}: expected {least} to {decode.MOST_SECONDS}, got {value}")
    return value


def _grace(value: int | None, where: str) -> int | None:
    return None if value is None else _seconds(value, 0, 1, f"{where}.terminationGracePeriodSeconds")
