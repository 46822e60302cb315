"""The two messages of a health check, and how gRPC frames them.

Sources: https://github.com/grpc/grpc/blob/master/doc/health-checking.md,
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and
https://protobuf.dev/programming-guides/encoding/
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Tuple

SERVING = 1
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
"""How a field is written."""
_PREFIX_BYTES = 5


class Unreadable(Exception):
    """It is no answer to a health check."""


def request(service: str) -> bytes:
    """A ``HealthCheckRequest``, whose field 1 is the service's name."""
    name = service.encode("utf-8", "replace")
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def status(answer: bytes) -> int:
    """The status in a ``HealthCheckResponse``: its field 1, 0 if it is not there.

    :raises Unreadable: it is damaged, not one whole message, or compressed, though nobody asked for that
    """
    prefix, message = answer[:_PREFIX_BYTES], answer[_PREFIX_BYTES:]
    if len(prefix) < _PREFIX_BYTES or prefix[0] != 0 or int.from_bytes(prefix[1:], "big") != len(message):
        raise Unreadable
    return _numbers(message).get(1, 0)


def _numbers(message: bytes) -> "Dict[int, int]":
    """The fields that are numbers; the last of a field counts."""
    found = {}
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        field, kind = key >> 3, key & 7
        number, place = _read_field(message, place, kind)
        if number is not None:
            found[field] = number
    return found


def _read_field(message: bytes, place: int, kind: int) -> "Tuple[Optional[int], int]":
    """The number in a field, and where the next begins."""
    if kind == _VARINT:
        return _read_varint(message, place)
    if kind == _LENGTH:
        length, place = _read_varint(message, place)
    elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
        length = 8 if kind == _EIGHT_BYTES else 4
    else:
        raise Unreadable
    if place + length > len(message):
        raise Unreadable
    return None, place + length


def _varint(number: int) -> bytes:
    low = number & 0x7F
    return bytes([low]) if number < 0x80 else bytes([low | 0x80]) + _varint(number >> 7)


def _read_varint(message: bytes, place: int) -> "Tuple[int, int]":
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise Unreadable
