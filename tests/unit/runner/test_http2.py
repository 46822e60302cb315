"""Frames and headers of HTTP/2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.probes import http2
from sidecar.runner.probes.http2 import Frame, NotHttp2, header_block, split_frame

FRAMES = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**31 - 1), st.binary(max_size=100))


@given(FRAMES, st.binary(max_size=20))
def test_a_frame_is_read_as_it_was_written(frame: Frame, rest: bytes) -> None:
    found = split_frame(frame.encode() + rest)
    assert found is not None
    assert vars(found[0]) == vars(frame)
    assert found[1] == rest


@given(FRAMES, st.data())
def test_a_frame_that_is_cut_off_is_not_there_yet(frame: Frame, data: st.DataObject) -> None:
    encoded = frame.encode()
    assert split_frame(encoded[: data.draw(st.integers(0, len(encoded) - 1))]) is None


def test_other_protocols_are_too_long_for_a_frame() -> None:
    for beginning in b"HTTP/1.1 400 Bad Request", b"SSH", b"\x15\x03\x01\x00\x02":
        with pytest.raises(NotHttp2):
            split_frame(beginning)


def test_padding_is_no_data() -> None:
    assert Frame(http2.DATA, http2.PADDED, 1, b"\x02abc\0\0").data() == b"abc"
    for content in b"", b"\x03ab":
        with pytest.raises(NotHttp2):
            Frame(http2.DATA, http2.PADDED, 1, content).data()


@pytest.mark.parametrize(
    ("length", "expected"), [(0, b"\0"), (126, b"\x7e"), (127, b"\x7f\0"), (1337, bytes([0x7F, 0xBA, 0x09]))]
)
def test_lengths_are_written_with_a_prefix_of_seven_bits(length: int, expected: bytes) -> None:
    assert header_block([("a", "b" * length)]) == b"\0\x01a" + expected + b"b" * length
