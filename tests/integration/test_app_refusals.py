"""What the application refuses, over real HTTP, and what it never tells anybody."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.web.routes import MAX_BODY_BYTES
from tests.factories import UID, Json, a_container_json, a_pod_json, a_request
from tests.integration.app import App, log_request, running

SECRET = "hunter2-do-not-tell"
ENCODED = base64.b64encode(SECRET.encode()).decode()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One for all tests that it refuses something: none of them leaves anything behind."""
    with running(tmp_path_factory.mktemp("refusals")) as app:
        yield app


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[App]:
    with running(tmp_path) as app:
        yield app


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the request does not fit: Expected `object`, got `null`"),
        (b"not json", "the request is not valid JSON: "),
        (b'{"pod": {', "the request is not valid JSON: "),
        (b"\xff\xfe", "the request is not "),
        (b"[]", "$: expected one pod, got a list of 0"),
        (b"{}", "missing required field `pod`"),
        (b'{"pod": 5}', "Expected `object`, got `int` - at `$.pod`"),
        (b'{"pod": {"metadata": {"uid": []}}}', "Expected `str | null`, got `array` - at `$.pod.metadata.uid`"),
        (b'{"pod": {"metadata": {}}}', "missing required field `spec` - at `$.pod`"),
    ],
)
def test_a_body_that_does_not_fit_is_told_where_and_what_was_expected(app: App, content: bytes, message: str) -> None:
    answer = app.ask("POST", "/create", content=content)

    assert answer.status_code == 400
    assert message in answer.text
    assert app.submissions == 0


def test_a_list_of_two_pods_is_refused(app: App) -> None:
    answer = app.ask("POST", "/create", [a_request(), a_request()])

    assert (answer.status_code, answer.text) == (400, "$: expected one pod, got a list of 2")


def pod_with(**metadata: object) -> Json:
    pod = a_pod_json()
    pod["metadata"] |= metadata
    return pod


BAD_UIDS = ["../../etc/passwd", "..", "", f"{UID}/x", f"{UID}\n"]
BAD_NAMES = ["../x", "a/b", "..", "A" * 3, "a\n"]


@pytest.mark.parametrize("bad", BAD_UIDS)
def test_a_uid_that_is_none_is_refused_everywhere(app: App, bad: str) -> None:
    answers = [
        app.create(a_request(pod_with(uid=bad))),
        app.ask("POST", "/delete", pod_with(uid=bad)),
        app.ask("GET", "/status", [pod_with(uid=bad)]),
        app.ask("GET", "/getLogs", log_request() | {"PodUID": bad}),
    ]

    assert [answer.status_code for answer in answers] == [400] * 4
    assert all("is not a pod UID" in answer.text for answer in answers)
    assert list((app.root / "jobs").iterdir()) == []


@pytest.mark.parametrize("bad", BAD_NAMES)
def test_a_namespace_that_is_none_is_refused_everywhere(app: App, bad: str) -> None:
    answers = [
        app.create(a_request(pod_with(namespace=bad))),
        app.ask("POST", "/delete", pod_with(namespace=bad)),
        app.ask("GET", "/status", [pod_with(namespace=bad)]),
        app.ask("GET", "/getLogs", log_request() | {"Namespace": bad}),
    ]

    assert [answer.status_code for answer in answers] == [400] * 4
    assert list((app.root / "jobs").iterdir()) == []


@pytest.mark.parametrize("bad", BAD_NAMES)
def test_a_containers_name_that_is_none_is_refused_everywhere(app: App, bad: str) -> None:
    answers = [
        app.create(a_request(a_pod_json(a_container_json(bad)))),
        app.ask("GET", "/status", [a_pod_json(a_container_json(bad))]),
        app.ask("GET", "/getLogs", log_request() | {"ContainerName": bad}),
    ]

    assert [answer.status_code for answer in answers] == [400] * 3


def test_a_body_over_eight_mebibytes_is_refused(app: App) -> None:
    largest = b" " * (MAX_BODY_BYTES - 2) + b"{}"

    assert app.ask("POST", "/create", content=largest).status_code == 400
    refused = app.ask("POST", "/create", content=b" " + largest)
    assert (refused.status_code, refused.text) == (413, "the request body is larger than 8 MiB")
    assert app.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/create"), ("POST", "/status"), ("DELETE", "/delete")])
def test_another_method_is_not_taken(app: App, method: str, path: str) -> None:
    assert app.ask(method, path, []).status_code == 405


def test_what_is_not_supported_is_told_by_name(app: App) -> None:
    answer = app.create(a_request(a_pod_json(shareProcessNamespace=True)))

    assert answer.status_code == 422
    assert "spec.shareProcessNamespace is not supported" in answer.text


def test_a_flag_that_would_break_the_contract_is_refused(app: App) -> None:
    answer = app.create(a_request(a_pod_json(annotations={"slurm-job.vk.io/flags": "--array=0-9"})))

    assert answer.status_code == 422
    assert "--array cannot be set, because one pod is exactly one job" in answer.text


def a_secret_request(**container: Any) -> Json:
    """A pod whose every hidden place holds the secret."""
    pod = a_pod_json(
        a_container_json(
            **{
                "env": [{"name": "PASSWORD", "value": SECRET}],
                "command": ["sh", "-c", f"login {SECRET}"],
                "args": ["$(PASSWORD)"],
                "volumeMounts": [{"name": "s", "mountPath": "/s"}, {"name": "c", "mountPath": "/c"}],
                **container,
            }
        ),
        volumes=[{"name": "s", "secret": {"secretName": "s"}}, {"name": "c", "configMap": {"name": "c"}}],
    )
    return a_request(
        pod,
        secrets=[{"metadata": {"name": "s"}, "data": {"password": ENCODED}}],
        configMaps=[{"metadata": {"name": "c"}, "data": {"password": SECRET}}],
    )


def test_secrets_are_in_the_pods_own_files_and_nowhere_else(fresh: App) -> None:
    assert fresh.create(a_secret_request()).status_code == 200
    fresh.status(a_secret_request()["pod"])
    fresh.daemon.reconciler.reconcile_once()

    holders = [p for p in fresh.job().directory.root.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert holders
    assert stat.S_IMODE(fresh.job().directory.root.stat().st_mode) == 0o700
    for told in (fresh.noted("told"), repr(fresh.log), fresh.everything_stored().decode(errors="replace")):
        assert SECRET not in told
        assert ENCODED not in told


BROKEN: list[Json] = [
    {"env": [{"name": "A=B", "value": SECRET}]},
    {"env": [{"name": "A", "value": f"{SECRET}\0"}]},
    {"env": [{"name": "A", "value": [SECRET]}]},
    {"env": [{"name": "A", "value": SECRET, "valueFrom": {"fieldRef": 5}}]},
    {"args": [SECRET, 5]},
    {"command": [f"{SECRET}\0"]},
    {"volumeMounts": [{"name": "none", "mountPath": "/s"}]},
    {"image": ""},
]


@pytest.mark.parametrize("container", BROKEN)
def test_secrets_are_in_no_refusal(app: App, container: Json) -> None:
    answer = app.create(a_secret_request(**container))

    told = answer.text + repr(app.log) + app.noted("told") + app.everything_stored().decode(errors="replace")
    assert SECRET not in told
    assert ENCODED not in told


@pytest.mark.parametrize("place", ["secrets", "configMaps"])
def test_contents_that_cannot_be_read_are_not_shown(app: App, place: str) -> None:
    request = a_secret_request()
    broken: Json = {"data": {"password": f"{SECRET}!"}} if place == "secrets" else {"binaryData": {"p": f"{SECRET}!"}}
    request["container"][0][place][0] |= broken

    answer = app.create(request)

    assert answer.status_code == 400
    assert SECRET not in answer.text + repr(app.log)


@pytest.mark.parametrize("cut", [50, 400, 700])
def test_a_torn_body_is_not_shown(app: App, cut: int) -> None:
    answer = app.ask("POST", "/create", content=json.dumps(a_secret_request()).encode()[:cut])

    assert answer.status_code == 400
    assert SECRET not in answer.text + repr(app.log)
