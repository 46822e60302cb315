"""Whole request bodies as interLink sends them, with all that surrounds the few fields that matter.

The files in ``tests/data/requests`` have every part that bodies recorded between interLink's API server and a plugin
have; names and contents are made up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli.manifest import create_request
from sidecar.domain.plan import SitePolicy
from sidecar.domain.pod import Container, FilesVolume, Pod
from sidecar.wire import create
from tests.integration.app import App, running
from tests.virtual_kubelet.admission import TOKEN_PATH, Json, admit_data, admit_pod
from tests.virtual_kubelet.answers import Created, Ping, check_statuses, read
from tests.virtual_kubelet.retrieval import KUBERNETES, Objects, create_body

FOLDER = Path(__file__).parents[1] / "data" / "requests"
CREATES = sorted(path.stem for path in FOLDER.glob("create-*.json"))
STATUSES = sorted(path.stem for path in FOLDER.glob("status-*.json"))
LOGS = sorted(path.stem for path in FOLDER.glob("get-logs*.json"))


def body(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def read_pod(name: str) -> Pod:
    return create.read((FOLDER / f"{name}.json").read_bytes(), SitePolicy())


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with running(tmp_path) as app:
        yield app


@pytest.mark.parametrize("name", CREATES)
def test_a_create_becomes_one_job(app: App, name: str) -> None:
    request = body(name)
    pod = (request[0] if isinstance(request, list) else request)["pod"]

    created = read(app.create(request).content, Created)

    assert created == Created(PodUID=pod["metadata"]["uid"], PodJID="1")
    assert app.submissions == 1
    assert check_statuses([pod], app.ask("GET", "/status", [pod]).content)


@pytest.mark.parametrize("name", STATUSES)
def test_every_pod_asked_for_is_answered_in_order(app: App, name: str) -> None:
    pods = body(name)

    entries = check_statuses(pods, app.ask("GET", "/status", pods).content)

    assert [entry["UID"] for entry in entries] == [pod["metadata"]["uid"] for pod in pods]
    assert all(c["state"]["waiting"]["reason"] == "PodUnknown" for entry in entries for c in entry["containers"])


def test_known_and_unknown_pods_are_answered_side_by_side(app: App) -> None:
    pods = body("status-several-pods")
    app.create(body("create-volumes"))

    entries = check_statuses(pods, app.ask("GET", "/status", pods).content)

    reasons = [entry["containers"][0]["state"]["waiting"]["reason"] for entry in entries]
    assert reasons == ["Submitted", "PodUnknown", "PodUnknown"]


def test_a_ping_is_answered(app: App) -> None:
    assert read(app.ask("GET", "/status", body("ping")).content, Ping).status == "ok"


def test_a_delete_is_noted_for_the_pod_it_names(app: App) -> None:
    app.create(body("create-init-containers"))
    pod = body("delete")

    answer = app.ask("POST", "/delete", pod)

    assert (answer.status_code, answer.text) == (200, "deletion accepted")
    (state,) = app.daemon.context.service.states([pod["metadata"]["uid"]]).values()
    assert (state.is_deleted, state.deletion_grace_seconds) == (True, 30)


@pytest.mark.parametrize("name", LOGS)
def test_a_log_that_is_not_there_yet_is_refused_with_the_reason(app: App, name: str) -> None:
    app.create(body("create-hello"))

    answer = app.ask("GET", "/getLogs", body(name))

    assert answer.status_code == 404
    assert "'greet' is waiting to start: Submitted" in answer.text


def test_every_value_of_an_environment_is_read_as_it_was_sent() -> None:
    (container,) = read_pod("create-environment").containers
    sent = body("create-environment")["pod"]["spec"]["containers"][0]["env"]

    assert dict(container.env) == {variable["name"]: variable.get("value", "") for variable in sent}
    assert {"QUOTES", "EMPTY", "LOGIN_password", "KUBERNETES_SERVICE_HOST"} <= dict(container.env).keys()


def test_every_file_of_a_volume_is_read_with_its_mode() -> None:
    volumes = {v.name: v.files for v in read_pod("create-volumes").volumes if isinstance(v, FilesVolume)}
    files = {name: {file.path: file.content for file in content} for name, content in volumes.items()}

    assert files["run"] == {"p.ini": b"[run]\nsteps = 100\nseed=7\n", "mask": bytes([0, 1, 2, 3, 255])}
    assert files["login"] == {"pw": b'corre\'ct "horse" $battery\n'}
    assert files["bundle"] == {"deep/notes": "weiß & blau\n".encode(), "name": b"mounts-all"}
    assert [file.mode for file in volumes["run"] if file.path == "p.ini"] == [0o400]


def test_the_command_line_makes_of_a_manifest_what_interlink_makes_of_it() -> None:
    documents = a_manifest()
    by_hand = create.read(json.dumps(create_request(documents, "lab")).encode(), SitePolicy())
    pod = admit_pod(documents[0], "lab")
    maps = {d["kind"]: {d["metadata"]["name"]: admit_data(d, "lab")} for d in documents[1:]}
    offered = create_body(pod, Objects(maps["ConfigMap"], maps["Secret"]))
    by_interlink = create.read(json.dumps(offered).encode(), SitePolicy())

    assert without_kubernetes(by_interlink) == without_kubernetes(replace(by_hand, uid=by_interlink.uid))


def without_kubernetes(pod: Pod) -> Pod:
    """The pod without what only a Kubernetes cluster adds to it."""
    return replace(
        pod,
        containers=tuple(_bare(container) for container in pod.containers),
        volumes=tuple(volume for volume in pod.volumes if not volume.name.startswith("kube-api-access-")),
    )


def _bare(container: Container) -> Container:
    return replace(
        container,
        env=tuple(sorted(pair for pair in container.env if pair[0] not in KUBERNETES)),
        mounts=tuple(mount for mount in container.mounts if mount.path != TOKEN_PATH),
    )


def a_manifest() -> list[Json]:
    env = [
        {"name": "A", "value": "one"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}},
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "D", "value": "$(A) and $(C)"},
    ]
    main = {
        "name": "main",
        "image": "busybox",
        "command": ["sh", "-c", "env"],
        "env": env,
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "p", "mountPath": "/p"}],
    }
    sources = [
        {"configMap": {"name": "settings"}},
        {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volumes = [{"name": "v", "secret": {"secretName": "keys"}}, {"name": "p", "projected": {"sources": sources}}]
    first = {"name": "first", "image": "busybox:1", "command": ["true"]}
    spec = {"initContainers": [first], "containers": [main], "volumes": volumes, "restartPolicy": "Never"}
    return [
        {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "demo"}, "spec": spec},
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "settings"}, "data": {"E": "five"}},
        {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "keys"}, "stringData": {"k": "open"}},
    ]
