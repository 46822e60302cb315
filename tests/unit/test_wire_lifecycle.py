"""Probes and hooks as pods state them."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from sidecar.domain.health import Action, ExecAction, GrpcAction, HttpAction, Probe, SleepAction, TcpAction
from sidecar.domain.plan import SitePolicy
from sidecar.domain.pod import Container
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import create
from tests.factories import Json, a_container_json, a_pod_json, a_request, body

PORTS = [{"name": "web", "containerPort": 8080}, {"containerPort": 9}]
TRUE = ExecAction(command=("true",))


def read(**fields: Any) -> Container:
    pod = a_pod_json(a_container_json(ports=PORTS, **fields))
    (container,) = create.read(body(a_request(pod)), SitePolicy()).containers
    return container


def probe(**fields: Any) -> Probe | None:
    return read(livenessProbe={"exec": {"command": ["true"]}} | fields).liveness


@pytest.mark.parametrize(
    ("handler", "action"),
    [
        ({"exec": {"command": ["sh", "-c", "exit $(X) ☃"]}}, ExecAction(command=("sh", "-c", "exit $(X) ☃"))),
        ({"httpGet": {"port": 80}}, HttpAction(scheme="http", port=80)),
        ({"httpGet": {"port": "web", "scheme": "HTTPS"}}, HttpAction(scheme="https", port=8080)),
        ({"httpGet": {"port": "81", "host": "::1"}}, HttpAction(scheme="http", port=81, host="::1")),
        (
            {"httpGet": {"port": 1, "path": "a?b", "httpHeaders": [{"name": "Host", "value": "x"}]}},
            HttpAction(scheme="http", port=1, path="a?b", headers=(("Host", "x"),)),
        ),
        ({"tcpSocket": {"port": "web"}}, TcpAction(port=8080)),
        ({"tcpSocket": {"port": 65535, "host": "db.example"}}, TcpAction(port=65535, host="db.example")),
        ({"grpc": {"port": 7}}, GrpcAction(port=7)),
        ({"grpc": {"port": 7, "service": "s", "mode": "TLS"}}, GrpcAction(port=7, service="s", tls=True)),
        ({"grpc": {"port": 7, "mode": "Plaintext"}}, GrpcAction(port=7)),
    ],
)
def test_a_probe_asks_what_the_pod_says(handler: Json, action: Action) -> None:
    found = read(startupProbe=handler, livenessProbe=handler, readinessProbe=handler)

    assert found.startup == found.liveness == found.readiness == Probe(action=action)


def test_a_probe_has_kubernetes_defaults() -> None:
    expected = Probe(
        action=TRUE,
        initial_delay_seconds=0,
        period_seconds=10,
        timeout_seconds=1,
        success_threshold=1,
        failure_threshold=3,
        grace_seconds=None,
    )
    zeros = dict.fromkeys(("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold"), 0)

    assert probe() == probe(**zeros) == probe(**dict.fromkeys(zeros)) == expected


def test_a_probe_has_the_pods_numbers() -> None:
    numbers = {"initialDelaySeconds": 2, "periodSeconds": 3, "timeoutSeconds": 4, "failureThreshold": 5}
    found = read(readinessProbe={"exec": {"command": ["true"]}, "successThreshold": 6, **numbers}).readiness

    assert found == Probe(
        action=TRUE,
        initial_delay_seconds=2,
        period_seconds=3,
        timeout_seconds=4,
        failure_threshold=5,
        success_threshold=6,
    )
    (own,) = [probe(terminationGracePeriodSeconds=7)]
    assert own is not None
    assert own.grace_seconds == 7


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"exec": None}, "livenessProbe: expected one of exec, httpGet, tcpSocket and grpc"),
        ({"tcpSocket": {"port": 1}}, "livenessProbe: expected one thing to do, got exec and tcpSocket"),
        ({"exec": {"command": []}}, "livenessProbe.exec.command: expected a command"),
        ({"exec": {"command": ["a\0b"]}}, "livenessProbe.exec.command: a word cannot contain NUL"),
        ({"initialDelaySeconds": -1}, "livenessProbe.initialDelaySeconds: expected 0 to"),
        ({"periodSeconds": -1}, "livenessProbe.periodSeconds: expected 1 to"),
        ({"timeoutSeconds": -1}, "livenessProbe.timeoutSeconds: expected 1 to"),
        ({"failureThreshold": -1}, "livenessProbe.failureThreshold: expected 1 to"),
        ({"periodSeconds": 10**12}, "livenessProbe.periodSeconds: expected 1 to"),
        ({"terminationGracePeriodSeconds": 0}, "livenessProbe.terminationGracePeriodSeconds: expected 1 to"),
    ],
)  # fmt: skip
def test_a_probe_that_makes_no_sense_is_refused_by_name(fields: Json, message: str) -> None:
    with pytest.raises(MalformedRequest, match=f"^container main: {message}"):
        probe(**fields)


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        ({"httpGet": {"port": 0}}, "httpGet.port: expected 1 to 65535, got 0"),
        ({"httpGet": {"port": 65536}}, "httpGet.port: expected 1 to 65535, got 65536"),
        ({"httpGet": {"port": "wbe"}}, "httpGet.port: the container has no port named 'wbe'"),
        ({"httpGet": {"port": 1, "scheme": "FTP"}}, "httpGet.scheme: expected HTTP or HTTPS, got 'FTP'"),
        ({"httpGet": {"port": 1, "path": "/\0"}}, "httpGet.path: cannot contain NUL"),
        ({"httpGet": {"port": 1, "host": "a/b"}}, "httpGet.host: 'a/b' is not a host's name or address"),
        ({"httpGet": {"port": 1, "httpHeaders": [{"name": "a b", "value": ""}]}}, "httpGet.httpHeaders: 'a b' is not"),
        ({"httpGet": {"port": 1, "httpHeaders": [{"name": "A", "value": "1\n2"}]}}, "httpGet.httpHeaders: the value"),
        ({"tcpSocket": {"port": "x"}}, "tcpSocket.port: the container has no port named 'x'"),
        ({"tcpSocket": {"port": 1, "host": "-a b"}}, "tcpSocket.host: '-a b' is not"),
        ({"grpc": {"port": 70000}}, "grpc.port: expected 1 to 65535, got 70000"),
        ({"grpc": {"port": 1, "mode": "tls"}}, "grpc.mode: expected Plaintext or TLS, got 'tls'"),
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused_by_name(handler: Json, message: str) -> None:
    with pytest.raises((MalformedRequest, UnsupportedPod), match=f"^container main: readinessProbe.{message}"):
        read(readinessProbe=handler)


@pytest.mark.parametrize(
    ("handler", "action"),
    [
        ({"exec": {"command": ["true"]}}, TRUE),
        ({"httpGet": {"port": "web", "path": "/x"}}, HttpAction(scheme="http", port=8080, path="/x")),
        ({"sleep": {"seconds": 3}}, SleepAction(seconds=3)),
        ({"tcpSocket": {"port": 1}}, None),
        ({}, None),
    ],
)
def test_a_hook_does_what_the_pod_says(handler: Json, action: Action | None) -> None:
    found = read(lifecycle={"postStart": handler, "preStop": handler})

    assert found.post_start == found.pre_stop == action


@pytest.mark.parametrize(
    ("lifecycle", "message"),
    [
        (
            {"preStop": {"exec": {"command": ["x"]}, "sleep": {"seconds": 1}}},
            "lifecycle.preStop: .* got exec and sleep",
        ),
        ({"preStop": {"exec": {}}}, "lifecycle.preStop.exec.command: expected a command"),
        ({"preStop": {"sleep": {"seconds": -1}}}, "lifecycle.preStop.sleep.seconds: expected 0 to"),
        ({"postStart": {"httpGet": {"port": "x"}}}, "lifecycle.postStart.httpGet.port: the container has no port"),
        ({"stopSignal": "USR1"}, "lifecycle.stopSignal: expected a name such as SIGUSR1, got 'USR1'"),
        ({"stopSignal": "SIGUSR1; id"}, "lifecycle.stopSignal: expected a name such as SIGUSR1"),
        ({"stopSignal": "SIGNONSENSE"}, "lifecycle.stopSignal: expected a name such as SIGUSR1, got 'SIGNONSENSE'"),
    ],
)
def test_a_hook_that_makes_no_sense_is_refused_by_name(lifecycle: Json, message: str) -> None:
    with pytest.raises(MalformedRequest, match=f"^container main: {message}"):
        read(lifecycle=lifecycle)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (None, "TERM"),
        ("SIGCLD", "CHLD"),
        ("SIGIOT", "ABRT"),
        ("SIGPOLL", "IO"),
        ("SIGRTMIN", "RTMIN"),
        ("SIGUSR1", "USR1"),
        ("SIGRTMIN+3", "RTMIN+3"),
        ("SIGRTMAX-2", "RTMAX-2"),
    ],
)
def test_a_signal_is_known_by_its_name(text: str | None, name: str) -> None:
    assert read(lifecycle={"stopSignal": text}).stop_signal == name
    assert subprocess.run(["bash", "-c", 'kill -l "$1"', "-", name], capture_output=True, check=False).returncode == 0


def test_without_probes_hooks_stay() -> None:
    asks = {"exec": {"command": ["true"]}}
    pod = a_pod_json(a_container_json(livenessProbe=asks, lifecycle={"preStop": asks}))
    (container,) = create.read(body(a_request(pod)), SitePolicy(enable_probes=False)).containers

    assert (container.liveness, container.pre_stop) == (None, TRUE)
