"""What a web server answers, as far as a probe needs it: the status, where it leads to, where the body ends.

Source: https://www.rfc-editor.org/rfc/rfc9112
"""

from sidecar.runner.probes.outcomes import ActionFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 10 * 1024
"""A kubelet reads no more of it either.

Source: https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/probe/http/http.go, ``maxRespBodyLength``
"""


class NotHttp(ActionFailed):
    """The server answers something else than HTTP."""

    def __init__(self) -> None:
        super().__init__("the answer is not HTTP")


class Head:
    """The status line and the headers."""

    def __init__(self, status: int, headers: "List[Tuple[bytes, bytes]]") -> None:
        self.status = status
        self._headers = headers

    @property
    def is_informational(self) -> bool:
        """Whether another head follows it."""
        return 100 <= self.status < 200 and self.status != 101

    @property
    def location(self) -> "Optional[bytes]":
        """Where a redirect leads to; ``None`` if it is none, or leads nowhere."""
        return self._header(b"location") or None if self.status in (301, 302, 303, 307, 308) else None

    def has_whole(self, body: bytes) -> bool:
        """Whether the body is complete, or as much of it as anybody reads.

        :raises NotHttp: its chunks are none
        """
        if len(body) >= MAX_BODY_BYTES or self.status in (204, 304):
            return True
        if b"chunked" in (self._header(b"transfer-encoding") or b"").lower():
            return has_last_chunk(body)
        length = self._length
        return length is not None and len(body) >= length

    @property
    def body_ends_with_connection(self) -> bool:
        """Whether nothing else tells its end."""
        return self._length is None and self._header(b"transfer-encoding") is None

    @property
    def _length(self) -> "Optional[int]":
        text = self._header(b"content-length") or b""
        return int(text) if text.isdigit() and len(text) < 20 else None

    def _header(self, name: bytes) -> "Optional[bytes]":
        return next((value for key, value in self._headers if key == name), None)


def split_head(data: bytes) -> "Optional[Tuple[Head, bytes]]":
    """The head and what comes after it; ``None`` while there is not all of it.

    :raises NotHttp: it can become no head any more
    :raises ActionFailed: it is too long
    """
    if not data.startswith(b"HTTP/"[: len(data)]):
        raise NotHttp
    end, length = _end_of_head(data)
    if end > MAX_HEAD_BYTES or (end < 0 and len(data) > MAX_HEAD_BYTES):
        raise ActionFailed(f"the headers of the answer are longer than {MAX_HEAD_BYTES // 1024} KiB")
    if end < 0:
        return None
    return _parse_head(data[:end]), data[end + length :]


def _end_of_head(data: bytes) -> "Tuple[int, int]":
    """Where the empty line is and how long, with the end of the line before; some servers send no CR."""
    found = [(data.find(mark), len(mark)) for mark in (b"\r\n\r\n", b"\n\n", b"\n\r\n")]
    return min((place for place in found if place[0] >= 0), default=(-1, 0))


def _parse_head(text: bytes) -> Head:
    status_line, *lines = text.split(b"\n")
    fields = status_line.split(None, 2)
    if len(fields) < 2 or len(fields[1]) != 3 or not fields[1].isdigit():
        raise NotHttp
    return Head(int(fields[1]), [_parse_header(line) for line in lines])


def _parse_header(line: bytes) -> "Tuple[bytes, bytes]":
    name, _, value = line.partition(b":")
    return name.lower(), value.strip()


def has_last_chunk(body: bytes) -> bool:
    """Whether a body in chunks is complete. Trailers do not matter: nobody reads what comes after.

    :raises NotHttp: there are no chunks
    """
    start = 0
    while True:
        end = body.find(b"\n", start)
        if end < 0:
            return False
        size = _chunk_size(body[start:end])
        if size == 0:
            return True
        start = end + 1 + size + 2  # the chunk and the end of its line


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or digits.strip(b"0123456789abcdefABCDEF"):
        raise NotHttp
    return int(digits, 16)
