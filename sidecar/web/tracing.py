"""Traces of the requests, for sites that collect them (the ``tracing`` extra).

A span has the route, the status and interLink's session id; never a body: bodies hold secrets.
"""

from __future__ import annotations

import grpc
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidecar.errors import CannotServe
from sidecar.settings import Tracing


def provider(settings: Tracing) -> TracerProvider:
    """Where spans go.

    :raises CannotServe: a certificate or key cannot be read
    """
    name = f"slurm-sidecar-{settings.unique_id}" if settings.unique_id else "slurm-sidecar"
    traces = TracerProvider(resource=Resource.create({"service.name": name}))
    credentials = _credentials(settings)
    exporter = OTLPSpanExporter(
        endpoint=settings.endpoint, insecure=credentials is None, credentials=credentials, timeout=5
    )
    traces.add_span_processor(BatchSpanProcessor(exporter))
    return traces


def _credentials(settings: Tracing) -> grpc.ChannelCredentials | None:
    """TLS where there is a CA, mutual TLS where there is a certificate of our own too."""
    if settings.ca_crt_path is None:
        return None
    try:
        authority = settings.ca_crt_path.read_bytes()
        key = settings.client_key_path.read_bytes() if settings.client_key_path else None
        certificate = settings.client_crt_path.read_bytes() if settings.client_crt_path else None
    except OSError as error:
        raise CannotServe(f"tracing: {error.filename} cannot be read: {error.strerror}") from error
    return grpc.ssl_channel_credentials(authority, key, certificate)


class Traced:
    """An ASGI application whose requests are spans, below interLink's own where it sends a trace context."""

    def __init__(self, app: ASGIApp, traces: TracerProvider) -> None:
        self._app = app
        self._tracer = traces.get_tracer("sidecar")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", [])}
        with self._tracer.start_as_current_span(
            f"{scope.get('method', '')} {scope.get('path', '')}",
            context=propagate.extract(headers),
            kind=trace.SpanKind.SERVER,
            attributes={"interlink.session": headers.get("interlink-http-session", "")[:100]},
        ) as span:
            await self._app(scope, receive, _noting_status(send, span))


def _noting_status(send: Send, span: trace.Span) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            span.set_attribute("http.response.status_code", int(message["status"]))
        await send(message)

    return noting
