"""``imagePullSecrets`` in a request."""

from __future__ import annotations

import base64
import json

import pytest

from sidecar.domain.plan import SitePolicy
from sidecar.domain.pod import Pod
from sidecar.errors import MalformedRequest
from sidecar.wire import create
from tests.registry import login

CONFIG = json.dumps(login("registry.example"))
UID = "0c2e7c3c-5d5a-4d2c-9d5a-3f1f0a1b2c3d"


def read(secrets: dict[str, dict[str, str]], *names: str) -> Pod:
    spec = {
        "containers": [{"name": "main", "image": "registry.example/tool:1"}],
        "imagePullSecrets": [{"name": name} for name in names],
    }
    arrived = [{"metadata": {"name": name}, "data": data} for name, data in secrets.items()]
    body = {
        "pod": {"metadata": {"name": "demo", "namespace": "lab", "uid": UID}, "spec": spec},
        "container": [{"name": "main", "secrets": arrived or None}],
    }
    return create.read(json.dumps(body).encode(), SitePolicy())


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_secret_that_has_arrived_is_a_login() -> None:
    pod = read({"pull": {".dockerconfigjson": encoded(CONFIG)}}, "pull")

    assert [entry.host for entry in pod.logins] == ["registry.example"]
    assert pod.notes == ()


def test_the_old_form_is_read_too() -> None:
    old = json.dumps(login("registry.example")["auths"])

    assert [entry.host for entry in read({"pull": {".dockercfg": encoded(old)}}, "pull").logins] == ["registry.example"]


def test_a_secret_that_the_pod_does_not_name_is_not_used() -> None:
    assert read({"other": {".dockerconfigjson": encoded(CONFIG)}}).logins == ()


def test_a_secret_that_has_not_arrived_is_noted() -> None:
    pod = read({}, "pull")

    assert pod.logins == ()
    [note] = pod.notes
    assert note.startswith("imagePullSecrets: Secret pull did not arrive")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"password": encoded("hush")}, "it has no .dockerconfigjson"),
        ({".dockerconfigjson": "hush!"}, "it is not base64"),
        ({".dockerconfigjson": encoded("hush")}, "it is not"),
    ],
)
def test_a_secret_of_another_form_is_refused_without_its_content(data: dict[str, str], what: str) -> None:
    with pytest.raises(MalformedRequest, match=f"imagePullSecrets: Secret pull: .*{what}") as raised:
        read({"pull": data}, "pull")

    assert "hush" not in str(raised.value)
