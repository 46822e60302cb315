"""The request of a probe, and where a redirect leads to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.probes.http_request import Url, redirected, request_bytes
from sidecar.runner.probes.outcomes import ActionFailed

HERE = Url("http", "127.0.0.1", 8080, "/a/b?c")


def lines(*headers: tuple[str, str], host: str | None = None) -> list[str]:
    return request_bytes(HERE, headers, host).decode().split("\r\n")


def test_a_request_without_headers_is_a_kubelets() -> None:
    assert lines() == [
        "GET /a/b?c HTTP/1.1",
        "Host: 127.0.0.1:8080",
        "User-Agent: kube-probe/1.34",
        "Accept: */*",
        "Connection: close",
        "",
        "",
    ]


def test_the_pods_headers_take_the_place_of_a_kubelets() -> None:
    sent = lines(("host", "h"), ("user-agent", "me"), ("ACCEPT", "text/plain"), ("X-Two", "1"), ("X-Two", ""), host="h")

    assert sent[1:-2] == [
        "Host: h",
        "User-Agent: me",
        "Connection: close",
        "ACCEPT: text/plain",
        "X-Two: 1",
        "X-Two: ",
    ]


def test_empty_headers_take_away_a_kubelets() -> None:
    assert lines(("User-Agent", ""), ("Accept", ""))[1:-2] == ["Host: 127.0.0.1:8080", "Connection: close"]


def test_a_request_has_no_body_whatever_its_headers_say() -> None:
    assert lines(("Content-Length", "5"), ("Transfer-Encoding", "chunked")) == lines()


def test_a_header_may_be_in_any_language() -> None:
    assert "X: é" in lines(("X", "é"))


@pytest.mark.parametrize("value", ["a\r\nInjected: b", "a\nb", "a\rb", "a\0b"])
def test_no_header_makes_another_request(value: str) -> None:
    with pytest.raises(ActionFailed, match="a character that HTTP does not allow"):
        lines(("X", value))


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/é"])
def test_no_path_makes_another_request(target: str) -> None:
    with pytest.raises(ActionFailed, match="not valid in a URL"):
        request_bytes(Url("http", "h", 80, target), [], None)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (b"/x?y", "http://127.0.0.1:8080/x?y"),
        (b"x", "http://127.0.0.1:8080/a/x"),
        (b"../../x", "http://127.0.0.1:8080/x"),
        (b"?z", "http://127.0.0.1:8080/a/b?z"),
        (b"//127.0.0.1:9/x", "http://127.0.0.1:9/x"),
        (b"http://127.0.0.1", "http://127.0.0.1:80/"),
        (b"HTTPS://127.0.0.1/x", "https://127.0.0.1:443/x"),
        (b"http://me:secret@127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
        (b"/sp ace/%20/\xc3\xa9\xff#part", "http://127.0.0.1:8080/sp%20ace/%20/%C3%A9%FF"),
    ],
)
def test_a_redirect_within_the_host_is_followed(location: bytes, expected: str) -> None:
    url, _ = redirected(HERE, location)
    assert url is not None
    assert url.text == expected


@pytest.mark.parametrize(
    "location", [b"http://localhost:8080/", b"//other/x", b"http://127.0.0.1:x@other/", b"http://127.0.0.1\\@other/"]
)
def test_a_redirect_to_another_host_is_not_followed(location: bytes) -> None:
    assert redirected(HERE, location)[0] is None


@pytest.mark.parametrize("location", [b"ftp://127.0.0.1/", b"http://127.0.0.1:port/", b"http://[::1", b"http://[x]/"])
def test_a_redirect_to_nowhere_is_a_failure(location: bytes) -> None:
    with pytest.raises(ActionFailed, match="the redirect"):
        redirected(HERE, location)


def test_a_redirect_within_an_ipv6_host_is_followed() -> None:
    url, _ = redirected(Url("http", "::1", 80, "/"), b"http://[::1]:81/x")
    assert url is not None
    assert (url.host, url.authority) == ("::1", "[::1]:81")


@given(st.binary(max_size=60), st.sampled_from([b"", b"/", b"http://127.0.0.1", b"//127.0.0.1:", b"https://["]))
def test_no_location_leads_to_another_host_or_another_request(location: bytes, start: bytes) -> None:
    try:
        url, _ = redirected(HERE, start + location)
        if url is not None:
            assert url.host == "127.0.0.1"
            assert request_bytes(url, [], None).count(b"\r\n") == 6
    except ActionFailed:
        pass
