"""The body of ``/getLogs``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sidecar.errors import MalformedRequest
from sidecar.job_output.log_reader import LogOptions
from sidecar.wire import decode
from sidecar.wire import kubernetes as kube


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """Which log, and how."""

    uid: str
    container: str
    follow: bool
    previous: bool
    options: LogOptions


def read(body: bytes, *, now: datetime) -> LogRequest:
    """Check and convert a request; Go's zero values mean "not set".

    :raises MalformedRequest: it is no log request, an identifier has not Kubernetes' form, or a number is negative
    """
    request = decode.decode(body, kube.LogStruct)
    options = request.Opts
    decode.label(request.Namespace or "default", "$.Namespace")
    for name in ("Tail", "Bytes", "SinceSeconds"):
        if getattr(options, name) < 0:
            raise MalformedRequest(f"$.Opts.{name}: expected a number from 0 up")
    return LogRequest(
        uid=decode.pod_uid(request.PodUID, "$.PodUID"),
        container=decode.label(request.ContainerName, "$.ContainerName"),
        follow=options.Follow,
        previous=options.Previous,
        options=LogOptions(
            tail=options.Tail or None,
            limit_bytes=options.Bytes or None,
            timestamps=options.Timestamps,
            since=_since(options, now),
        ),
    )


def _since(options: kube.LogOpts, now: datetime) -> datetime | None:
    """The later of the two, as the kubelet takes it."""
    moments = []
    if options.SinceSeconds:
        moments.append(now - timedelta(seconds=min(options.SinceSeconds, decode.MOST_SECONDS)))
    if options.SinceTime is not None and options.SinceTime.year > 1:
        since = options.SinceTime
        moments.append(since if since.tzinfo else since.replace(tzinfo=UTC))
    return max(moments, default=None)
