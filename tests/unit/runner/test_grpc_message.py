"""The messages of a gRPC health check."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.probes.grpc_message import Unreadable, request, status


def answer(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def test_a_request_names_the_service() -> None:
    assert request("") == b"\0\0\0\0\0"
    assert request("ab") == b"\0\0\0\0\x04\x0a\x02ab"
    assert request("a" * 200) == b"\0\0\0\0\xcb\x0a\xc8\x01" + b"a" * 200


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"\x08\x01", 1),
        (b"\x08\x02", 2),
        (b"", 0),
        (b"\x08\x81\x00", 1),
        (b"\x08\x02\x08\x01", 1),
        (b"\x12\x02hi\x08\x01\x19abcdefgh\x25abcd", 1),
    ],
)
def test_an_answer_has_a_status(message: bytes, expected: int) -> None:
    assert status(answer(message)) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\0\x03\x08\x01",
        b"\x01\0\0\0\x02\x08\x01",
        answer(b"\x08"),
        answer(b"\x08" + b"\xff" * 20),
        answer(b"\x0b"),
        answer(b"\x12\x05hi"),
    ],
)
def test_a_damaged_answer_cannot_be_read(data: bytes) -> None:
    with pytest.raises(Unreadable):
        status(data)


@given(st.binary(max_size=50))
def test_no_answer_brings_the_reader_down(message: bytes) -> None:
    with suppress(Unreadable):
        assert status(answer(message)) >= 0
