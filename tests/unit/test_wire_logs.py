"""The body of ``/getLogs``: Go's zero values mean "not set"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sidecar.errors import MalformedRequest
from sidecar.job_output.log_reader import LogOptions
from sidecar.wire import decode, logs
from sidecar.wire.logs import LogRequest
from tests.factories import NOON, UID, Json, body

UNSET: Json = {
    "Tail": 0, "Bytes": 0, "Timestamps": False, "Follow": False, "Previous": False, "SinceSeconds": 0,
    "SinceTime": "0001-01-01T00:00:00Z",
}  # fmt: skip


def read(opts: Json | None = None, **fields: Any) -> LogRequest:
    request = {"Namespace": "lab", "PodUID": UID, "PodName": "demo", "ContainerName": "main", "Opts": opts or {}}
    return logs.read(body(request | fields), now=NOON)


@pytest.mark.parametrize("opts", [{}, UNSET])
def test_what_is_not_set_means_everything(opts: Json) -> None:
    assert read(opts) == LogRequest(uid=UID, container="main", follow=False, previous=False, options=LogOptions())


def test_everything_set_is_read() -> None:
    request = read(UNSET | {"Tail": 5, "Bytes": 100, "Timestamps": True, "Follow": True, "Previous": True})

    assert (request.follow, request.previous) == (True, True)
    assert request.options == LogOptions(tail=5, limit_bytes=100, timestamps=True)


@pytest.mark.parametrize(
    ("opts", "since"),
    [
        ({"SinceSeconds": 60}, NOON - timedelta(seconds=60)),
        ({"SinceTime": "2026-11-24T13:00:00+02:00"}, datetime(2026, 11, 24, 11, tzinfo=UTC)),
        ({"SinceTime": "2026-11-24T11:59:30Z", "SinceSeconds": 60}, NOON - timedelta(seconds=30)),
        ({"SinceTime": "2026-11-24T11:58:00Z", "SinceSeconds": 60}, NOON - timedelta(seconds=60)),
        ({"SinceSeconds": 10**15}, NOON - timedelta(seconds=decode.MOST_SECONDS)),
        ({"SinceTime": "2026-11-24T11:00:00"}, datetime(2026, 11, 24, 11, tzinfo=UTC)),
    ],
)
def test_of_two_beginnings_the_later_counts(opts: Json, since: datetime) -> None:
    assert read(opts).options.since == since


@pytest.mark.parametrize("name", ["Tail", "Bytes", "SinceSeconds"])
def test_a_negative_number_is_refused_by_name(name: str) -> None:
    with pytest.raises(MalformedRequest, match=rf"^\$\.Opts\.{name}: expected a number from 0 up$"):
        read({name: -1})


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"PodUID": "../../etc"}, r"^\$\.PodUID: "),
        ({"PodUID": ""}, r"^\$\.PodUID: "),
        ({"ContainerName": "../main"}, r"^\$\.ContainerName: "),
        ({"ContainerName": ""}, r"^\$\.ContainerName: "),
        ({"Namespace": "../lab"}, r"^\$\.Namespace: "),
        ({"PodUID": 5}, r"Expected `str`, got `int` - at `\$\.PodUID`"),
        ({"Opts": {"Tail": "all"}}, r"Expected `int`, got `str` - at `\$\.Opts\.Tail`"),
        ({"Opts": {"SinceTime": "yesterday"}}, r"`\$\.Opts\.SinceTime`"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(fields: Json, path: str) -> None:
    with pytest.raises(MalformedRequest, match=path):
        read(**fields)
