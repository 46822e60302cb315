"""Whatever arrives, the answer is a pod or one of the two errors that say why not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.domain.plan import SitePolicy
from sidecar.domain.planning import plan
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import create, decode, delete, logs, status
from tests.factories import NOON, UID, Json, a_container_json, a_pod_json, a_request

Read = Callable[[bytes], Any]
READERS: list[Read] = [
    lambda body: create.read(body, SitePolicy()),
    delete.read,
    status.read,
    lambda body: logs.read(body, now=NOON),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
LOG = {
    "Namespace": "lab", "PodUID": UID, "PodName": "demo", "ContainerName": "main",
    "Opts": {"Tail": 1, "Bytes": 2, "Timestamps": True, "SinceSeconds": 3, "SinceTime": "2026-11-24T00:00:00Z"},
}  # fmt: skip
FULL = a_pod_json(
    a_container_json(
        env=[{"name": "A", "value": "$(B)"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        args=["$(A)"],
        workingDir="/w",
        resources={"limits": {"cpu": "1", "memory": "1Gi"}},
        volumeMounts=[{"name": "c", "mountPath": "/c", "subPath": "x"}, {"name": "e", "mountPath": "/e"}],
        securityContext={"capabilities": {"add": []}},
    ),
    init=[a_container_json("setup", volumeMounts=[{"name": "p", "mountPath": "/p"}, {"name": "h", "mountPath": "/h"}])],
    annotations={"slurm-job.vk.io/flags": "-t 10 --mem=1G"},
    terminationGracePeriodSeconds=5,
    volumes=[
        {"name": "c", "configMap": {"name": "c", "items": [{"key": "k", "path": "x", "mode": 256}]}},
        {"name": "e", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "p", "projected": {"sources": [{}]}},
        {"name": "h", "hostPath": {"path": "/h", "type": ""}},
    ],
)
SENT = {
    "configMaps": [{"metadata": {"name": "c"}, "data": {"k": "v"}, "binaryData": {"b": "AA=="}}],
    "projectedvolumemaps": [{"metadata": {"name": "p"}, "data": {"t": "t"}}],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


def with_change(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return changed


def try_to_read(read: Read, body: bytes) -> Any:
    try:
        return read(body)
    except (MalformedRequest, UnsupportedPod) as error:
        assert str(error)  # noqa: PT017 - either is right
        return None


@given(st.binary(max_size=60))
@example(b"")
@example(b"null")
@example(b"\xff\xfe")
@example(b'"\\ud800"')
@example(b"[" * 100_000)
@example(b'{"pod":' * 20_000)
@example(b"1" * 10_000)
def test_arbitrary_bytes_are_read_or_refused(body: bytes) -> None:
    for read in READERS:
        try_to_read(read, body)


@given(JSON)
def test_arbitrary_json_is_read_or_refused(value: object) -> None:
    for read in READERS:
        try_to_read(read, json.dumps(value).encode())


@given(st.sampled_from(places(a_request(FULL, **SENT))), JSON | st.sampled_from(["../x", "a\0", "-1", "1e99", 10**30]))
def test_a_request_with_anything_in_one_place_is_planned_or_refused(path: tuple[Any, ...], new: object) -> None:
    changed = with_change(a_request(FULL, **SENT), path, new)
    pod = try_to_read(lambda body: create.read(body, SitePolicy()), json.dumps(changed).encode())
    if pod is None:
        return
    try:
        assert plan(pod, SitePolicy(), token="t").containers
    except UnsupportedPod as error:
        assert str(error)  # noqa: PT017 - either is right


@given(st.sampled_from(places(LOG)), JSON | st.sampled_from([10**12, 10**30, -1, "9999-12-31T23:59:59-14:00"]))
def test_a_log_request_with_anything_in_one_place_is_read_or_refused(path: tuple[Any, ...], new: object) -> None:
    try_to_read(READERS[3], json.dumps(with_change(LOG, path, new)).encode())


@given(st.sampled_from(places([FULL])), JSON)
def test_a_status_or_delete_request_with_anything_in_one_place_is_read_or_refused(
    path: tuple[Any, ...], new: object
) -> None:
    changed = with_change([FULL], path, new)
    try_to_read(status.read, json.dumps(changed).encode())
    try_to_read(delete.read, json.dumps(changed[0] if isinstance(changed, list) and changed else changed).encode())


@given(st.text(max_size=70))
def test_an_accepted_identifier_is_safe_in_a_path(text: str) -> None:
    for check in (decode.pod_uid, decode.label, decode.subdomain):
        try:
            accepted = check(text, "$")
        except MalformedRequest:
            continue
        assert accepted.isascii()
        assert not {"/", "\0", "\n"} & set(accepted)
        assert ".." not in accepted


@pytest.mark.parametrize("grace", [0, 30, 10**30])
def test_a_deletion_has_its_grace_within_reason(grace: int) -> None:
    body: Json = {"metadata": {"uid": UID, "deletionGracePeriodSeconds": grace}}

    read = delete.read(json.dumps(body).encode())

    assert read.grace_seconds == min(grace, decode.MOST_SECONDS)


@pytest.mark.parametrize("grace", [None, -1])
def test_a_deletion_without_a_grace_of_its_own_takes_the_pods(grace: int | None) -> None:
    body: Json = {"metadata": {"uid": UID, "deletionGracePeriodSeconds": grace}}

    assert delete.read(json.dumps(body).encode()).grace_seconds is None


@pytest.mark.parametrize("bad", ["../../etc/passwd", "", None, UID.upper()])
def test_a_deletion_needs_a_uid_of_kubernetes_form(bad: str | None) -> None:
    with pytest.raises(MalformedRequest, match=r"^\$\.metadata\.uid: "):
        delete.read(json.dumps({"metadata": {"uid": bad}}).encode())


def test_a_deletion_checks_the_namespace_as_well() -> None:
    with pytest.raises(MalformedRequest, match=r"^\$\.metadata\.namespace: "):
        delete.read(json.dumps({"metadata": {"uid": UID, "namespace": "../x"}}).encode())
