"""``grpc``: a call of ``grpc.health.v1.Health/Check``."""

from sidecar.runner.probes import grpc_message, http2, sockets
from sidecar.runner.probes.http2 import Frame, NotHttp2
from sidecar.runner.probes.http_request import USER_AGENT
from sidecar.runner.probes.outcomes import ActionFailed, Outcome
from sidecar.runner.system.event_loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

    from sidecar.runner.contract.pod_document import ActionDocument

_STREAM = 1
_MAX_ANSWER_BYTES = 1024
"""Of the answer, which has seven."""


async def check(loop: Loop, action: "ActionDocument") -> Outcome:
    """Ask a service whether it is serving.

    :raises ActionFailed: nothing answers that speaks gRPC
    """
    host, port = action.get("host") or "127.0.0.1", action["port"]
    tls = action.get("tls", False)
    request = _request(sockets.at(host, port), "https" if tls else "http", action.get("service", ""))
    connection = await sockets.connect(loop, host, port)
    try:
        if tls:
            await connection.start_tls(None, ["h2"])
        await connection.send(request)
        return _judge(await _Answer(connection).read())
    finally:
        connection.close()


def _request(authority: str, scheme: str, service: str) -> bytes:
    message = grpc_message.request(service)
    if len(message) > http2.MAX_FRAME_BYTES:
        raise ActionFailed("the name of the service is too long")
    headers = [
        (":method", "POST"),
        (":scheme", scheme),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", USER_AGENT),
    ]
    frames = [
        Frame(http2.SETTINGS, 0, 0, http2.setting(http2.ENABLE_PUSH, 0)),
        Frame(http2.HEADERS, http2.END_HEADERS, _STREAM, http2.header_block(headers)),
        Frame(http2.DATA, http2.END_STREAM, _STREAM, message),
    ]
    return http2.PREFACE + b"".join(frame.encode() for frame in frames)


def _judge(answer: bytes) -> Outcome:
    """A service that is not known, or fails, sends trailers only."""
    if not answer:
        return Outcome(False, "the gRPC service did not answer the health check")
    try:
        status = grpc_message.status(answer)
    except grpc_message.Unreadable:
        return Outcome(False, "the answer of the gRPC service cannot be read")
    if status != grpc_message.SERVING:
        return Outcome(False, "the gRPC service is not SERVING")
    return Outcome(True)


class _Answer:
    """Reads the answer to the request, and does what the server's other frames ask for."""

    def __init__(self, connection: sockets.Connection) -> None:
        self._connection = connection
        self._received = b""
        self._parts: "List[bytes]" = []

    async def read(self) -> bytes:
        """The data of the answer; empty if the server has none."""
        first = await self._frame()
        if first.kind != http2.SETTINGS or first.flags & http2.ACK:
            raise NotHttp2
        frame = first
        while not self._is_last(frame):
            await self._reply(frame)
            frame = await self._frame()
        return b"".join(self._parts)

    def _is_last(self, frame: Frame) -> bool:
        if frame.kind == http2.GOAWAY and int.from_bytes(frame.content[:4], "big") & 0x7FFFFFFF < _STREAM:
            raise ActionFailed("the gRPC server refused the call")
        if frame.stream != _STREAM:
            return False
        if frame.kind == http2.RST_STREAM:
            return True
        if frame.kind == http2.DATA:
            self._keep(frame.data())
        return frame.kind in (http2.DATA, http2.HEADERS) and bool(frame.flags & http2.END_STREAM)

    def _keep(self, data: bytes) -> None:
        self._parts.append(data)
        if sum(map(len, self._parts)) > _MAX_ANSWER_BYTES:
            raise ActionFailed("the answer of the gRPC service is too long")

    async def _reply(self, frame: Frame) -> None:
        """Settings are acknowledged, though none of them matters to so small a request."""
        if frame.flags & http2.ACK:
            return
        if frame.kind == http2.SETTINGS:
            await self._connection.send(Frame(http2.SETTINGS, http2.ACK, 0, b"").encode())
        elif frame.kind == http2.PING:
            await self._connection.send(Frame(http2.PING, http2.ACK, 0, frame.content).encode())

    async def _frame(self) -> Frame:
        while True:
            found = http2.split_frame(self._received)
            if found is not None:
                frame, self._received = found
                return frame
            more = await self._connection.receive()
            if not more:
                raise ActionFailed("the gRPC server closed the connection before it answered")
            self._received += more
