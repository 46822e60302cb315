"""The path of a probe in its request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.pod_files.request_target import request_target
from sidecar.runner.probes.http_request import Url, request_bytes


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "/"),
        ("healthz", "/healthz"),
        ("/a/../b?c=d&e#f", "/a/../b?c=d&e"),
        ("/a b/é%20{x}[1-3]?q=$(id)&r='\"\\`%zz", "/a%20b/%C3%A9%20%7Bx%7D[1-3]?q=$(id)&r='%22%5C%60%zz"),
        ("//x", "//x"),
    ],
)
def test_a_path_is_escaped_where_a_url_needs_it(path: str, expected: str) -> None:
    assert request_target(path) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_path_makes_one_request(path: str) -> None:
    request = request_bytes(Url("http", "127.0.0.1", 80, request_target(path)), [], None)

    assert request.startswith(b"GET /")
    assert request.count(b"\r\n") == 6
