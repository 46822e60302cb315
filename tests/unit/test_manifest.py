"""A kubectl manifest becomes the request that interLink's virtual kubelet would send."""

from __future__ import annotations

import base64
import json
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.cli import documents
from sidecar.cli.manifest import create_request, translate
from sidecar.domain.plan import SitePolicy
from sidecar.domain.pod import FilesVolume, Pod
from sidecar.errors import MalformedRequest, SidecarError, UnsupportedPod
from sidecar.wire import create

Document = dict[str, Any]


def a_pod(*containers: Document, **spec: Any) -> Document:
    return {
        "kind": "Pod",
        "metadata": {"name": "demo", "labels": {"app": "demo"}},
        "spec": {"containers": list(containers) or [a_container()], **spec},
    }


def a_container(name: str = "main", **fields: Any) -> Document:
    return {"name": name, "image": "busybox:1.36", **fields}


def a_config_map(name: str = "settings", **data: str) -> Document:
    return {"kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def a_secret(name: str = "creds", **data: str) -> Document:
    return {"kind": "Secret", "metadata": {"name": name}, "stringData": data}


def from_key(kind: str, name: str, key: str, **more: Any) -> Document:
    return {f"{kind}KeyRef": {"name": name, "key": key, **more}}


def request_of(*manifest: Document) -> Document:
    return create_request(manifest, "default")


def env_of(*manifest: Document) -> dict[str, str]:
    env = request_of(*manifest)["pod"]["spec"]["containers"][0].get("env", [])
    return {var["name"]: var["value"] for var in env}


def received(*manifest: Document) -> Pod:
    """The pod as the daemon understands the request."""
    return create.read(msgspec.json.encode(request_of(*manifest)), SitePolicy())


def read(tmp_path: Path, text: str) -> list[Document]:
    path = tmp_path / "pod.yaml"
    path.write_text(text)
    return documents.read(path)


def test_a_pod_gets_what_the_api_server_adds() -> None:
    metadata = request_of(a_pod())["pod"]["metadata"]

    assert metadata["namespace"] == "default"
    assert str(uuid.UUID(metadata["uid"])) == metadata["uid"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert metadata["labels"] == {"app": "demo"}


def test_a_uid_and_a_namespace_that_are_there_stay() -> None:
    pod = a_pod()
    pod["metadata"] |= {"uid": "f45e9e67-012a-4298-9a03-156cb23cbb06", "namespace": "lab"}

    metadata = request_of(pod)["pod"]["metadata"]

    assert (metadata["uid"], metadata["namespace"]) == ("f45e9e67-012a-4298-9a03-156cb23cbb06", "lab")


def test_plain_variables_come_after_those_of_env_from_and_win() -> None:
    container = a_container(
        envFrom=[{"configMapRef": {"name": "settings"}}, {"prefix": "S_", "secretRef": {"name": "creds"}}],
        env=[{"name": "mode", "value": "own"}, {"name": "EMPTY"}],
    )

    env = env_of(a_config_map(mode="shared", level="debug"), a_secret(key="abc"), a_pod(container))

    assert list(env.items()) == [("level", "debug"), ("S_key", "abc"), ("mode", "own"), ("EMPTY", "")]


def test_references_are_replaced_by_their_values_and_env_from_is_gone() -> None:
    container = a_container(
        env=[
            {"name": "LEVEL", "valueFrom": from_key("configMap", "settings", "level")},
            {"name": "KEY", "valueFrom": from_key("secret", "creds", "key")},
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "MIB", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory", "divisor": "1Mi"}}},
        ],
        envFrom=[],
        resources={"limits": {"cpu": "1500m", "memory": "64Mi"}},
    )
    manifest = [a_config_map(level="debug"), a_secret(key="abc"), a_pod(container)]

    assert env_of(*manifest) == {
        "LEVEL": "debug", "KEY": "abc", "NAME": "demo", "APP": "demo", "CPU": "2", "MIB": "64",
    }  # fmt: skip
    assert "envFrom" not in request_of(*manifest)["pod"]["spec"]["containers"][0]


def test_what_only_the_node_knows_is_left_to_the_daemon() -> None:
    source = {"fieldRef": {"fieldPath": "status.podIP"}}
    container = a_container(env=[{"name": "IP", "valueFrom": source}, {"name": "URL", "value": "http://$(IP)"}])
    env = request_of(a_pod(container))["pod"]["spec"]["containers"][0]["env"]

    assert env == [{"name": "URL", "value": "http://$(IP)"}, {"name": "IP", "valueFrom": source}]


@pytest.mark.parametrize("kind", ["configMap", "secret"])
def test_an_optional_reference_that_leads_nowhere_sets_nothing(kind: str) -> None:
    reference = from_key(kind, "absent", "key", optional=True)
    ref = {f"{kind}Ref": {"name": "absent", "optional": True}}

    assert env_of(a_pod(a_container(env=[{"name": "X", "valueFrom": reference}], envFrom=[ref]))) == {}


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (from_key("configMap", "absent", "key"), "has no ConfigMap 'absent' in namespace default; add it"),
        (from_key("secret", "creds", "absent"), "Secret 'creds' has no key 'absent'"),
        ({"fieldRef": {"fieldPath": "metadata.nothing"}}, "metadata.nothing has no value outside Kubernetes"),
        ({"resourceFieldRef": {"resource": "limits.memory"}}, "container 'main' states no limits.memory"),
        ({"fileKeyRef": {"path": "x"}}, "valueFrom needs configMapKeyRef"),
    ],
)
def test_a_reference_that_leads_nowhere_says_what_to_do(reference: Document, words: str) -> None:
    with pytest.raises(UnsupportedPod, match=words):
        request_of(a_secret(key="abc"), a_pod(a_container(env=[{"name": "X", "valueFrom": reference}])))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_every_value_of_a_secret_reaches_the_daemon_as_it_is(value: str) -> None:
    reference = {"name": "X", "valueFrom": from_key("secret", "creds", "key")}
    earlier = {"name": "A", "value": "never seen"}

    pod = received(a_secret(key=value), a_pod(a_container(env=[earlier, reference])))

    assert dict(pod.containers[0].env)["X"] == value


@given(st.binary())
def test_every_byte_of_a_volume_reaches_the_daemon(content: bytes) -> None:
    config_map = {
        "kind": "ConfigMap",
        "metadata": {"name": "files"},
        "binaryData": {"b": base64.b64encode(content).decode()},
    }
    secret = {"kind": "Secret", "metadata": {"name": "creds"}, "data": {"s": base64.b64encode(content).decode()}}
    projected = {"sources": [{"secret": {"name": "creds", "items": [{"key": "s", "path": "deep/p"}]}}]}
    volumes = [
        {"name": "one", "configMap": {"name": "files"}},
        {"name": "two", "secret": {"secretName": "creds"}},
        {"name": "three", "projected": projected},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]

    pod = received(config_map, secret, a_pod(a_container(volumeMounts=mounts), volumes=volumes))

    files = [f for v in pod.volumes if isinstance(v, FilesVolume) for f in v.files]
    assert [(file.path, file.content) for file in files] == [("b", content), ("s", content), ("deep/p", content)]


def test_contents_have_the_shape_that_interlink_sends() -> None:
    projected = {
        "sources": [
            {"configMap": {"name": "settings", "items": [{"key": "level", "path": "level.txt"}]}},
            {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        ]
    }
    pod = a_pod(
        a_container(volumeMounts=[{"name": "files", "mountPath": "/f"}, {"name": "all", "mountPath": "/a"}]),
        a_container("bare"),
        initContainers=[a_container("init", volumeMounts=[{"name": "keys", "mountPath": "/k"}])],
        volumes=[
            {"name": "files", "configMap": {"name": "settings"}},
            {"name": "keys", "secret": {"secretName": "creds"}},
            {"name": "all", "projected": projected},
        ],
    )

    assert request_of(a_config_map(level="debug"), a_secret(key="abc"), pod)["container"] == [
        {
            "name": "init",
            "configMaps": None,
            "projectedvolumemaps": None,
            "secrets": [{"metadata": {"name": "creds"}, "data": {"key": "YWJj"}, "type": "Opaque"}],
            "emptyDirs": None,
        },
        {
            "name": "main",
            "configMaps": [{"metadata": {"name": "settings"}, "data": {"level": "debug"}}],
            "projectedvolumemaps": None,
            "secrets": None,
            "emptyDirs": None,
        },
        {"name": "bare", "configMaps": None, "projectedvolumemaps": None, "secrets": None, "emptyDirs": None},
    ]


def test_the_daemon_puts_a_projected_volume_together_from_what_a_manifest_brings() -> None:
    projected = {
        "sources": [
            {"configMap": {"name": "settings", "items": [{"key": "level", "path": "level.txt"}]}},
            {"secret": {"name": "creds"}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        ]
    }
    container = a_container(volumeMounts=[{"name": "all", "mountPath": "/a"}])

    pod = received(
        a_config_map(level="debug"),
        a_secret(key="abc"),
        a_pod(container, volumes=[{"name": "all", "projected": projected}]),
    )

    (volume,) = pod.volumes
    assert isinstance(volume, FilesVolume)
    assert {file.path: file.content for file in volume.files} == {
        "level.txt": b"debug",
        "key": b"abc",
        "labels": b'app="demo"',
    }


def test_a_token_cannot_be_projected_without_kubernetes() -> None:
    volume = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    mount = {"name": "token", "mountPath": "/t"}

    with pytest.raises(UnsupportedPod, match="remove service account tokens"):
        request_of(a_pod(a_container(volumeMounts=[mount]), volumes=[volume]))


def test_objects_of_another_namespace_are_out_of_reach() -> None:
    elsewhere = a_config_map(level="debug")
    elsewhere["metadata"]["namespace"] = "lab"

    with pytest.raises(UnsupportedPod, match="has no ConfigMap 'settings' in namespace default"):
        request_of(elsewhere, a_pod(a_container(envFrom=[{"configMapRef": {"name": "settings"}}])))


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Job", {"template": {"spec": a_pod()["spec"]}}),
        ("Deployment", {"template": {"metadata": {"labels": {"a": "b"}}, "spec": a_pod()["spec"]}}),
        ("CronJob", {"jobTemplate": {"spec": {"template": {"spec": a_pod()["spec"]}}}}),
    ],
)
def test_of_a_controller_the_pod_template_is_taken_once_under_a_new_name(kind: str, spec: Document) -> None:
    controller = {"kind": kind, "metadata": {"name": "nightly", "namespace": "lab"}, "spec": spec}

    first, second = translate([controller], "default"), translate([controller], "default")

    assert first.name.startswith("nightly-")
    assert first.name != second.name
    assert first.uid != second.uid
    assert first.namespace == "lab"
    assert first.notes == (f"{kind} nightly: its pod template is submitted once, as pod {first.name}",)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ([], "the manifest has no pods"),
        ([a_pod(), a_pod()], "the manifest has 2 pods"),
        ([{"kind": "Job", "metadata": {"name": "x"}}], "Job: spec.template is missing"),
        ([{"kind": "Pod", "metadata": {"name": "x"}}], "the pod has no spec"),
        ([{"kind": "Pod", "spec": {}}], "metadata.name is missing"),
        ([a_pod(), {"kind": "Service"}], "has a Service, which means nothing without Kubernetes"),
        ([a_pod(a_container(env=[{"name": "X", "value": 5}]))], r"Expected str \| null, got int"),
        ([a_pod(volumes="none")], "Expected array"),
        ([a_pod(), {"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "not base64!"}}], "stringData"),
    ],
)
def test_what_kubernetes_would_not_take_is_refused_in_words(manifest: list[Document], words: str) -> None:
    with pytest.raises(SidecarError, match=words):
        request_of(*manifest)


def test_a_mistake_never_shows_a_secret() -> None:
    wrong = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "s3cr3t value"}}

    with pytest.raises(MalformedRequest) as caught:
        request_of(wrong, a_pod())

    assert "s3cr3t" not in str(caught.value)


def test_files_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    text = """
        kind: List
        items:
        - {kind: ConfigMap, metadata: {name: a}, data: {when: 2026-01-02, at: 12:30, sign: =, on: "1"}}
        - {kind: Secret, metadata: {name: b}}
        ---
        ---
        {kind: Pod, metadata: {name: c}, spec: {mode: 0644, flag: yes}}
    """
    config_map, secret, pod = read(tmp_path, "\n".join(line[8:] for line in text.splitlines()))

    assert config_map["data"] == {"when": "2026-01-02", "at": "12:30", "sign": "=", "true": "1"}
    assert secret["kind"] == "Secret"
    assert pod["spec"] == {"mode": 0o644, "flag": True}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [s3cr3t", r"pod.yaml:1: this is not valid YAML: expected"),
        ("just text", "a document without a kind"),
        ("kind: Pod\nmetadata: &a {x: *a}", "contains itself"),
        ("kind: \a", "a character that YAML does not allow"),
    ],
)
def test_bad_yaml_is_one_sentence_without_the_content(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(MalformedRequest, match=words) as caught:
        read(tmp_path, text)

    assert "\n" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_no_shape_of_a_pod_ends_in_anything_but_a_sentence(value: Any) -> None:
    for pod in (a_pod(a_container(env=value)), a_pod(initContainers=value), {"kind": "Pod", "metadata": value}):
        with suppress(SidecarError):
            json.dumps(request_of(pod))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_file_ends_in_anything_but_documents_or_a_sentence(tmp_path: Path, text: str) -> None:
    with suppress(MalformedRequest):
        assert all(isinstance(document["kind"], str) for document in read(tmp_path, text))


def test_a_variable_sees_those_above_it_only() -> None:
    env = [{"name": "A", "value": "$(B)"}, {"name": "B", "value": "2"}, {"name": "C", "value": "$(A)$(B)$$(B)"}]

    assert env_of(a_pod(a_container(env=env))) == {"A": "$(B)", "B": "2", "C": "$(B)2$(B)"}
