"""Logins for registries."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain import logins


def auth(user: str) -> str:
    return base64.b64encode(f"{user}:secret of {user}".encode()).decode()


def config(**users: str) -> bytes:
    return json.dumps({"auths": {key.replace("__", "/"): {"auth": auth(user)} for key, user in users.items()}}).encode()


def user_for(image: str, text: bytes) -> str | None:
    login = logins.choose(image, logins.parse(text))
    if login is None:
        return None
    return base64.b64decode(dict(login.fields)["auth"]).decode().partition(":")[0]


@pytest.mark.parametrize(
    ("key", "image"),
    [
        ("registry.example", "docker://registry.example/lab/tool:1"),
        ("https://registry.example", "docker://registry.example/tool"),
        ("https://registry.example/v2/", "oras://registry.example/tool"),
        ("registry.example:5000", "docker://registry.example:5000/tool"),
        ("*.example", "docker://registry.example/tool"),
        ("registry.example/lab", "docker://registry.example/lab/tool"),
        ("registry.example/lab/tool", "docker://registry.example/lab/tool@sha256:" + "0" * 64),
        ("https://index.docker.io/v1/", "docker://busybox"),
        ("docker.io", "docker://docker.io/lab/tool"),
        ("https://index.docker.io/v1/", "docker://lab/tool"),
    ],
)
def test_a_login_is_found_for_its_registry(key: str, image: str) -> None:
    assert user_for(image, json.dumps({"auths": {key: {"auth": auth("robot")}}}).encode()) == "robot"


@pytest.mark.parametrize(
    ("key", "image"),
    [
        ("registry.example", "docker://other.example/tool"),
        ("registry.example", "docker://registry.example:5000/tool"),
        ("registry.example", "docker://evil.registry.example/tool"),
        ("*.example", "docker://a.b.example/tool"),
        ("registry.example/lab", "docker://registry.example/laboratory/tool"),
        ("registry.example", "docker://busybox"),
        ("registry.example", "https://registry.example/tool.sif"),
        ("registry.example", "/images/tool.sif"),
    ],
)
def test_a_login_goes_to_no_other_registry(key: str, image: str) -> None:
    assert user_for(image, json.dumps({"auths": {key: {"auth": auth("robot")}}}).encode()) is None


def test_the_login_for_most_of_the_name_is_taken() -> None:
    text = config(**{"registry.example": "all", "registry.example__lab": "lab", "registry.example__lab__tool": "tool"})

    assert user_for("docker://registry.example/lab/tool", text) == "tool"
    assert user_for("docker://registry.example/lab/other", text) == "lab"
    assert user_for("docker://registry.example/other", text) == "all"


def test_the_runtime_gets_the_one_login_by_the_name_it_looks_for() -> None:
    text = json.dumps({"auths": {"*.example/lab": {"username": "robot", "password": "secret of robot"}}}).encode()
    image = "docker://registry.example/lab/tool:1"
    login = logins.choose(image, logins.parse(text))

    assert login is not None
    assert json.loads(logins.as_config(login, image)) == {"auths": {"registry.example": {"auth": auth("robot")}}}


def test_docker_hub_goes_by_its_old_name() -> None:
    login = logins.choose("docker://busybox", logins.parse(config(**{"docker.io": "robot"})))

    assert login is not None
    assert list(json.loads(logins.as_config(login, "docker://busybox"))["auths"]) == ["https://index.docker.io/v1/"]


def test_the_old_form_has_its_entries_at_the_top() -> None:
    [login] = logins.parse_old(json.dumps({"registry.example": {"auth": auth("robot")}}).encode())

    assert login.host == "registry.example"


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"null", b"{", b'{"auths": [1]}', b'{"auths": {"a": [1]}}', b'{"auths": {"a": {"auth": "?"}}}',
        b'{"auths": {"a": {"auth": "aGk="}}}', b'{"auths": {"a": {"username": "u"}}}', b'{"auths": {"a": {"auth": 3}}}',
        b"\xff", b'{"auths": {"a": {"email": "x"}}}',
    ],
)  # fmt: skip
def test_another_form_is_told_without_its_content(text: bytes) -> None:
    with pytest.raises(ValueError, match=r'^it is not \{"auths": '):
        logins.parse(text)


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_login_shows_itself(user: str, password: str) -> None:
    entry = {"username": f"user-{user}", "password": f"pass-{password}"}
    [login] = logins.parse(json.dumps({"auths": {"registry.example": entry}}).encode())

    assert repr(login) == "Login(host='registry.example', path='')"
