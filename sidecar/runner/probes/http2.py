"""As much of HTTP/2 as one request needs.

Sources: https://www.rfc-editor.org/rfc/rfc9113 (frames), https://www.rfc-editor.org/rfc/rfc7541 (headers)
"""

from sidecar.runner.probes.outcomes import ActionFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Sequence, Tuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = 0, 1, 3, 4, 5, 6, 7
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
"""Flags; what they mean depends on the frame."""
MAX_FRAME_BYTES = 16384
"""Of a frame's content, as long as neither side has allowed more."""
ENABLE_PUSH = 2
"""A setting."""
_FRAME_HEAD_BYTES = 9


class NotHttp2(ActionFailed):
    """The server answers something else than HTTP/2."""

    def __init__(self) -> None:
        super().__init__("the server does not speak HTTP/2")


class Frame:
    """One frame."""

    def __init__(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        self.kind = kind
        self.flags = flags
        self.stream = stream
        self.content = content

    def encode(self) -> bytes:
        """The frame as it is sent."""
        length = len(self.content).to_bytes(3, "big")
        return length + bytes([self.kind, self.flags]) + self.stream.to_bytes(4, "big") + self.content

    def data(self) -> bytes:
        """The content of a DATA frame without its padding.

        :raises NotHttp2: there is more padding than content
        """
        if not self.flags & PADDED:
            return self.content
        if not self.content or self.content[0] >= len(self.content):
            raise NotHttp2
        return self.content[1 : len(self.content) - self.content[0]]


def split_frame(data: bytes) -> "Optional[Tuple[Frame, bytes]]":
    """The first frame and what comes after it; ``None`` while there is not all of it.

    :raises NotHttp2: it is longer than allowed, as is what other protocols begin with
    """
    length = int.from_bytes(data[:3], "big")
    if len(data) >= 3 and length > MAX_FRAME_BYTES:
        raise NotHttp2
    end = _FRAME_HEAD_BYTES + length
    if len(data) < end or len(data) < _FRAME_HEAD_BYTES:
        return None
    stream = int.from_bytes(data[5:9], "big") & 0x7FFFFFFF
    return Frame(data[3], data[4], stream, data[_FRAME_HEAD_BYTES:end]), data[end:]


def setting(number: int, value: int) -> bytes:
    """One setting, as the content of a SETTINGS frame."""
    return number.to_bytes(2, "big") + value.to_bytes(4, "big")


def header_block(headers: "Sequence[Tuple[str, str]]") -> bytes:
    """Headers as literals without indexing, which need no table and no Huffman code."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in headers)


def _string(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return _length(len(data)) + data


def _length(number: int) -> bytes:
    """An integer with a prefix of seven bits."""
    if number < 0x7F:
        return bytes([number])
    encoded, number = b"\x7f", number - 0x7F
    while number >= 0x80:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])
