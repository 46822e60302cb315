"""Probes and lifecycle hooks of a container: what is asked, how often, and what counts.

Source: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecAction:
    """A command run inside the container; 0 is success."""

    command: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAction:
    """A GET request; 200 to 399 is success."""

    scheme: str
    """``http`` or ``https``; a certificate is not checked."""
    host: str = ""
    """Empty: where the container listens."""
    port: int
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpAction:
    """A connection; being accepted is success."""

    host: str = ""
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcAction:
    """A call of ``grpc.health.v1.Health/Check``; SERVING is success."""

    port: int
    service: str = ""
    tls: bool = False
    """Whether it speaks TLS; a certificate is not checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SleepAction:
    """Wait; for hooks only."""

    seconds: int


Action = ExecAction | HttpAction | TcpAction | GrpcAction | SleepAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A question asked again and again."""

    action: Action
    initial_delay_seconds: int = 0
    """After the container's start."""
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    """Successes in a row that count."""
    failure_threshold: int = 3
    """Failures in a row that count."""
    grace_seconds: int | None = None
    """Between the signal and the kill when the container is ended for this; ``None``: the pod's."""
