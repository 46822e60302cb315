"""Traces, as a real collector receives them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tests.factories import UID, a_container_json, a_pod_json, a_request
from tests.integration.app import running, until

SECRET = "swordfish"  # a value that must not be seen


class Collector:
    """Keeps the requests it gets."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    def export(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.received.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self) -> list[tuple[str, Any]]:
        """The names of the services and their spans."""
        return [
            (resource.resource.attributes[0].value.string_value, span)
            for request in list(self.received)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def _exporting(collector: Collector) -> grpc.GenericRpcHandler:
    request = trace_service_pb2.ExportTraceServiceRequest
    method: Any = grpc.unary_unary_rpc_method_handler(
        collector.export, request_deserializer=request.FromString, response_serializer=lambda r: r.SerializeToString()
    )
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    return grpc.method_handlers_generic_handler(service, {"Export": method})


@pytest.fixture
def collector() -> Iterator[tuple[Collector, int]]:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_exporting(collector),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield collector, port
    server.stop(None)


def test_a_request_is_a_span_with_its_status_and_session_and_nothing_secret(
    tmp_path: Path, collector: tuple[Collector, int]
) -> None:
    received, port = collector
    variables = {"ENABLE_TRACING": "1", "TELEMETRY_ENDPOINT": f"http://127.0.0.1:{port}", "TELEMETRY_UNIQUE_ID": "lab"}
    request = a_request(a_pod_json(a_container_json(env=[{"name": "PASSWORD", "value": SECRET}])))

    with running(tmp_path, variables=variables) as app:
        assert app.create(request).status_code == 200
        until(lambda: bool(received.spans()))

    service, span = received.spans()[0]
    attributes = {pair.key: pair.value for pair in span.attributes}
    assert span.name == "POST /create"
    assert attributes["http.response.status_code"].int_value == 200
    assert attributes["interlink.session"].string_value == "session-1"
    assert "lab" in str(received.received[0])
    assert service
    assert SECRET not in str(received.received)
    assert UID not in span.name
