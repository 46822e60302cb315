"""``httpGet``: a request, and those that follow from its answer."""

from sidecar.runner.probes import http_request, resolver, sockets
from sidecar.runner.probes.http_answer import Head, split_head
from sidecar.runner.probes.http_request import Url
from sidecar.runner.probes.outcomes import ActionFailed, Outcome
from sidecar.runner.system.event_loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

    from sidecar.runner.contract.pod_document import ActionDocument

_MAX_REQUESTS = 10
_MAX_HEADS = 6
"""As many informational answers as Go's client takes, and the final one."""


async def get(loop: Loop, action: "ActionDocument") -> Outcome:
    """Ask, and follow redirects within the host; any other redirect is a success.

    Source: https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/probe/http/http.go, ``RedirectChecker``

    :raises ActionFailed: there is no answer
    """
    headers = action.get("headers", [])
    host = http_request.header(headers, "host")
    url = Url(action["scheme"], action.get("host") or "127.0.0.1", action["port"], action.get("path") or "/")
    host_there = host
    for _ in range(_MAX_REQUESTS):
        head = await _ask(loop, url, http_request.request_bytes(url, headers, host_there))
        if head.location is None:
            return _judge(head)
        target, is_relative = http_request.redirected(url, head.location)
        if target is None:
            return _judge(head)
        url, host_there = target, host if is_relative else None
    raise ActionFailed(f"stopped after {_MAX_REQUESTS} redirects")


def _judge(head: Head) -> Outcome:
    if 200 <= head.status < 400:
        return Outcome(True)
    return Outcome(False, f"HTTP probe failed with statuscode: {head.status}")


async def _ask(loop: Loop, url: Url, request: bytes) -> Head:
    connection = await sockets.connect(loop, url.host, url.port)
    try:
        if url.scheme == "https":
            await connection.start_tls(None if resolver.is_numeric(url.host) else url.host)
        await connection.send(request)
        head, body = await _receive_head(connection)
        if head.location is None:
            await _receive_body(connection, head, body)
        return head
    finally:
        connection.close()


async def _receive_head(connection: sockets.Connection) -> "Tuple[Head, bytes]":
    """The head of the answer, and the beginning of its body."""
    data = b""
    for _ in range(_MAX_HEADS):
        head, data = await _receive_any_head(connection, data)
        if not head.is_informational:
            return head, data
    raise ActionFailed("the server sent too many informational answers")


async def _receive_any_head(connection: sockets.Connection, data: bytes) -> "Tuple[Head, bytes]":
    while True:
        found = split_head(data)
        if found is not None:
            return found
        more = await connection.receive()
        if not more:
            raise ActionFailed("the server closed the connection before it answered")
        data += more


async def _receive_body(connection: sockets.Connection, head: Head, body: bytes) -> None:
    """Let the server finish: it might call a connection closed too early an error."""
    while not head.has_whole(body):
        more = await connection.receive()
        if not more and not head.body_ends_with_connection:
            raise ActionFailed("the server closed the connection before the end of its answer")
        if not more:
            return
        body += more
