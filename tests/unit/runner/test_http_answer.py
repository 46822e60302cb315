"""Reading what a web server sends, whoever wrote it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.probes.http_answer import MAX_HEAD_BYTES, Head, NotHttp, has_last_chunk, split_head
from sidecar.runner.probes.outcomes import ActionFailed


def whole(data: bytes) -> tuple[Head, bytes]:
    found = split_head(data)
    assert found is not None
    return found


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_head_has_a_status_and_perhaps_a_location(end: bytes) -> None:
    lines = b"HTTP/1.1 302 Found", b"X: y", b"LOCATION:  /there ", b"no colon", b"", b"the body"
    head, body = whole(end.join(lines))

    assert (head.status, head.location, body) == (302, b"/there", b"the body")


@pytest.mark.parametrize("data", [b"HTTP/1.0 200\r\n\r\n", b"HTTP/1.1 200 \n\n", b"HTTP/2 200 OK\r\n\n"])
def test_a_head_needs_neither_reason_nor_headers(data: bytes) -> None:
    assert whole(data)[0].status == 200


@pytest.mark.parametrize("code", [200, 300, 304, 305, 404])
def test_only_redirects_lead_elsewhere(code: int) -> None:
    assert whole(b"HTTP/1.1 %d x\r\nLocation: /a\r\n\r\n" % code)[0].location is None


@given(st.integers(0, 60))
def test_a_head_that_is_cut_off_is_not_there_yet(length: int) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLocation: /a\r\nX: yyyy\r\n\r\n"
    assert length >= len(data) or split_head(data[:length]) is None


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-x", b"h", b"\0", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 20 x\n\n", b"HTTP/1.1 2x0 OK\n\n"]
)
def test_something_else_is_not_http(data: bytes) -> None:
    with pytest.raises(NotHttp):
        split_head(data)


def test_endless_headers_are_too_long() -> None:
    with pytest.raises(ActionFailed, match="longer than 64 KiB"):
        split_head(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * MAX_HEAD_BYTES)


@given(st.binary(max_size=300), st.booleans())
def test_no_answer_brings_the_reader_down(data: bytes, begins_well: bool) -> None:
    try:
        found = split_head(b"HTTP/1.1 200 OK\r\n" * begins_well + data)
        if found is not None:
            found[0].has_whole(found[1])
    except ActionFailed:
        pass


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (b"Content-Length: 3", b"ab", False),
        (b"Content-Length: 3", b"abc", True),
        (b"Content-Length: 99999999", b"x" * 10240, True),
        (b"Content-Length: nonsense", b"abc", False),
        (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n", False),
        (b"Transfer-Encoding: chunked", b"3;x=y\r\nabc\r\n0\r\n\r\n", True),
        (b"X: y", b"abc", False),
    ],
)
def test_the_body_ends_where_its_headers_say(headers: bytes, body: bytes, expected: bool) -> None:
    assert whole(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\n")[0].has_whole(body) is expected


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5), st.data())
def test_chunks_end_with_the_empty_one(chunks: list[bytes], data: st.DataObject) -> None:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks])
    cut = data.draw(st.integers(0, len(body)))

    assert has_last_chunk(body + b"0\r\n\r\n")
    assert not has_last_chunk(body[:cut])
