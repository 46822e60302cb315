"""What containers and volumes are told about their own pod."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.domain.plan import SitePolicy
from sidecar.domain.pod import FilesVolume, Pod
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.runner.contract.pod_document import node_fact
from sidecar.wire import create
from tests.factories import Json, a_container_json, a_pod_json, a_request, body

LIMITS = {"limits": {"cpu": "1500m", "memory": "1Gi"}, "requests": {"memory": "256Mi"}}


def read(*, env: list[Json] | None = None, source: Json | None = None, **metadata: Any) -> Pod:
    volumes = [{"name": "v", "downwardAPI": source or {"items": []}}]
    mount = [{"name": "v", "mountPath": "/v"}]
    main = a_container_json(env=env or [], resources=LIMITS, volumeMounts=mount)
    pod = a_pod_json(a_container_json("bare"), main, volumes=volumes, serviceAccountName="robot", nodeName="vk")
    pod["metadata"] |= metadata
    return create.read(body(a_request(pod)), SitePolicy())


def variable(reference: Json, **metadata: Any) -> str:
    pod = read(env=[{"name": "V", "valueFrom": reference}], **metadata)
    return dict(pod.containers[1].env)["V"]


def file(reference: Json, **metadata: Any) -> str:
    (volume,) = read(source={"items": [{"path": "f", **reference}]}, **metadata).volumes
    assert isinstance(volume, FilesVolume)
    return volume.files[0].content.decode()


LABELLED: Json = {
    "labels": {"app": "demo", "a.b/c-d": "x"},
    "annotations": {"text": 'two\n"lines" é', "interlink.eu/pod-ip": "10.0.0.7"},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "demo"),
        ("metadata.namespace", "lab"),
        ("metadata.labels['a.b/c-d']", "x"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['text']", 'two\n"lines" é'),
        ("spec.serviceAccountName", "robot"),
        ("status.podIP", "10.0.0.7"),
        ("status.podIPs", "10.0.0.7"),
    ],
)
def test_fields_of_the_pod(path: str, value: str) -> None:
    reference = {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}

    assert (variable(reference, **LABELLED), file(reference, **LABELLED)) == (value, value)


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        ("spec.nodeName", "nodeName"),
        ("status.podIP", "podIP"),
        ("status.podIPs", "podIP"),
        ("status.hostIP", "hostIP"),
        ("status.hostIPs", "hostIP"),
    ],
)
def test_the_job_finds_out_what_only_its_node_knows(path: str, fact: str) -> None:
    reference = {"fieldRef": {"fieldPath": path}}

    assert variable(reference) == node_fact(fact)
    with pytest.raises(UnsupportedPod, match=f"fieldRef {path} is known to the compute node alone; use it in env"):
        file(reference)


def test_references_carry_what_the_node_knows_into_all_other_texts() -> None:
    node: Json = {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    mount = {"name": "v", "mountPath": "/v", "subPathExpr": "$(NODE)/$(KIND)"}
    main = a_container_json(
        command=["echo", "$(NODE)"],
        args=["on $(NODE)", "$$(NODE)"],
        env=[{"name": "URL", "value": "http://$(NODE)/$$/$(OTHER)"}, {"name": "KIND", "value": "gpu"}, node],
        volumeMounts=[mount],
    )
    pod = create.read(body(a_request(a_pod_json(main, volumes=[{"name": "v", "emptyDir": {}}]))), SitePolicy())
    [container] = pod.containers
    mark = node_fact("nodeName")

    assert container.command == ("echo", mark)
    assert container.args == (f"on {mark}", "$(NODE)")
    assert dict(container.env) == {"URL": f"http://{mark}/$$/$(OTHER)", "KIND": "gpu", "NODE": mark}
    assert container.mounts[0].sub_path == f"{mark}/gpu"


@pytest.mark.parametrize(
    "fields",
    [
        {"command": [node_fact("nodeName")]},
        {"args": [node_fact("nodeName")]},
        {"env": [{"name": "A", "value": node_fact("nodeName")}]},
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}}]},
        {"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": node_fact("nodeName")}]},
    ],
)
def test_nobody_can_write_down_what_stands_for_the_node(fields: Json) -> None:
    pod = a_pod_json(a_container_json(**fields), volumes=[{"name": "v", "emptyDir": {}}])
    pod["metadata"]["labels"] = {"a": f"x{node_fact('nodeName')}"}

    with pytest.raises((UnsupportedPod, MalformedRequest), match=r"NUL|relative path"):
        create.read(body(a_request(pod)), SitePolicy())


def test_a_file_may_hold_all_labels_or_annotations() -> None:
    labels = file({"fieldRef": {"fieldPath": "metadata.labels"}}, **LABELLED)
    annotations = file({"fieldRef": {"fieldPath": "metadata.annotations"}}, labels={}, annotations={"k": 'é\n"'})

    assert labels == 'a.b/c-d="x"\napp="demo"'
    assert annotations == 'k="é\\n\\""'


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", "", "2"),
        ("limits.cpu", "1m", "1500"),
        ("requests.cpu", "0", "2"),
        ("limits.memory", "1Mi", "1024"),
        ("requests.memory", "", str(256 * 1024**2)),
        ("requests.memory", "1G", "1"),
    ],
)
def test_resources_are_whole_numbers_of_their_divisor(resource: str, divisor: str, value: str) -> None:
    reference = {"resource": resource, **({"divisor": divisor} if divisor else {})}
    other = {"containerName": "main"} | reference

    assert variable({"resourceFieldRef": reference}) == value
    assert file({"resourceFieldRef": other}) == value


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ({"fieldRef": {"fieldPath": "status.qosClass"}}, "fieldRef status.qosClass has no value outside Kubernetes"),
        ({"resourceFieldRef": {"resource": "limits.ephemeral-storage"}}, "states no limits.ephemeral-storage"),
        ({"resourceFieldRef": {"resource": "limits.cpu", "containerName": "x"}}, "the pod has no container 'x'"),
    ],
)
def test_what_is_not_known_is_told(reference: Json, words: str) -> None:
    with pytest.raises(UnsupportedPod, match=f"^container main: env V: .*{words}"):
        variable(reference)
    with pytest.raises(UnsupportedPod, match=f"^volume v: .*{words}"):
        file(reference)


def test_modes_are_those_of_the_items_or_of_the_volume() -> None:
    items: list[Json] = [{"path": "a", "mode": 0o400}, {"path": "b/c"}]
    source = {"defaultMode": 0o440, "items": [i | {"fieldRef": {"fieldPath": "metadata.name"}} for i in items]}

    (volume,) = read(source=source).volumes

    assert isinstance(volume, FilesVolume)
    assert [(f.path, f.mode) for f in volume.files] == [("a", 0o400), ("b/c", 0o440)]
