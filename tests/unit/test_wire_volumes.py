"""Volumes with the contents that interLink sends along."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sidecar.domain.plan import SitePolicy
from sidecar.domain.pod import ClaimVolume, EmptyDirVolume, FilesVolume, HostPathVolume, Mount, Volume, VolumeFile
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import create
from tests.factories import Json, a_container_json, a_pod_json, a_request, body

SECRET = "hunter2-do-not-tell"


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


CONFIG = {"metadata": {"name": "conf"}, "data": {"a.txt": "A", "b.txt": "B"}, "binaryData": {"c.bin": b64(b"\xff\0")}}
PASSWORDS = {"metadata": {"name": "pass"}, "data": {"user": b64(b"me"), "password": b64(SECRET.encode())}}


def mounted(source: Json, mount: Json | None = None, policy: SitePolicy | None = None, **retrieved: Any) -> Volume:
    """The one volume of a pod that mounts it."""
    container = a_container_json(volumeMounts=[{"name": "v", "mountPath": "/v", **(mount or {})}])
    pod = a_pod_json(container, volumes=[{"name": "v", **source}, {"name": "unused", "emptyDir": {}}])
    sent = {"configMaps": [CONFIG], "secrets": [PASSWORDS]} | retrieved
    (volume,) = create.read(body(a_request(pod, **sent)), policy or SitePolicy()).volumes
    return volume


def files(volume: Volume) -> dict[str, tuple[bytes, int]]:
    assert isinstance(volume, FilesVolume)
    return {file.path: (file.content, file.mode) for file in volume.files}


def test_a_config_map_shows_all_its_keys() -> None:
    assert files(mounted({"configMap": {"name": "conf"}})) == {
        "a.txt": (b"A", 0o644),
        "b.txt": (b"B", 0o644),
        "c.bin": (b"\xff\0", 0o644),
    }


def test_items_select_rename_and_set_modes() -> None:
    items = [{"key": "a.txt", "path": "x/y.txt", "mode": 0o400}, {"key": "c.bin", "path": "c"}]

    assert files(mounted({"configMap": {"name": "conf", "items": items, "defaultMode": 0o600}})) == {
        "x/y.txt": (b"A", 0o400),
        "c": (b"\xff\0", 0o600),
    }


def test_a_secret_arrives_decoded() -> None:
    volume = mounted({"secret": {"secretName": "pass", "defaultMode": 0o400}})

    assert files(volume) == {"user": (b"me", 0o400), "password": (SECRET.encode(), 0o400)}
    assert SECRET not in repr(volume)


def test_a_projected_volume_is_what_interlink_put_together_under_its_name() -> None:
    sent = {"metadata": {"name": "v"}, "data": {"token": "t", "dir/ca.crt": "c"}}

    volume = mounted({"projected": {"sources": [{}], "defaultMode": 420}}, projectedvolumemaps=[sent])

    assert files(volume) == {"token": (b"t", 0o644), "dir/ca.crt": (b"c", 0o644)}


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ({"configMap": {"name": "other"}}, "configMap other"),
        ({"secret": {"secretName": "other"}}, "secret other"),
        ({"projected": {"sources": [{"configMap": {"name": "x"}}]}}, "configMap x"),
        ({"projected": {"sources": [{"secret": {"name": "x"}}]}}, "secret x"),
        ({"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}, "serviceAccountToken"),
    ],
)
def test_content_that_has_not_arrived_is_told(source: Json, what: str) -> None:
    with pytest.raises(UnsupportedPod, match=f"^volume v: {what} did not arrive with the pod"):
        mounted(source)


def test_a_projected_volume_has_what_interlink_left_out_and_modes_of_its_own() -> None:
    item = {"key": "password", "path": "p", "mode": 0o400}
    sources = [
        {"serviceAccountToken": {"path": "token"}},
        {"secret": {"name": "pass", "items": [item]}},
        {"configMap": {"name": "conf", "items": [{"key": "c.bin", "path": "c", "mode": 0o440}]}},
        {"configMap": {"name": "gone", "optional": True}},
        {"downwardAPI": {"items": [{"path": "app", "mode": 0o444, "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    sent = {"metadata": {"name": "v"}, "data": {"token": "t"}}

    volume = mounted({"projected": {"sources": sources, "defaultMode": 0o600}}, projectedvolumemaps=[sent])

    assert files(volume) == {
        "token": (b"t", 0o600),
        "p": (SECRET.encode(), 0o400),
        "c": (b"\xff\0", 0o440),
        "app": (b"demo", 0o444),
    }


def test_of_a_projected_config_map_that_was_sent_the_modes_are_those_of_its_items() -> None:
    items = [{"key": "k", "path": "deep/k", "mode": 0o400}]
    sent = {"metadata": {"name": "v"}, "data": {"deep/k": "K", "all": "A"}}
    sources = [{"configMap": {"name": "x", "items": items}}, {"configMap": {"name": "y"}}]

    volume = mounted({"projected": {"sources": sources}}, projectedvolumemaps=[sent])

    assert files(volume) == {"deep/k": (b"K", 0o400), "all": (b"A", 0o644)}


TOKEN: Json = {
    "projected": {
        "sources": [
            {"serviceAccountToken": {"path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ]
    }
}


@pytest.mark.parametrize("export", [True, False])
def test_a_pod_runs_without_the_token_that_kubernetes_adds_to_every_pod(export: bool) -> None:
    name = "kube-api-access-x7k2p"
    container = a_container_json(volumeMounts=[{"name": name, "mountPath": "/var/run/secrets"}])
    request = a_request(a_pod_json(container, volumes=[{"name": name, **TOKEN}]))

    pod = create.read(body(request), SitePolicy(export_pod_data=export))

    (volume,) = pod.volumes
    assert files(volume) == ({"namespace": (b"lab", 0o644)} if export else {})
    assert any(note.startswith(f"volume {name}: ") for note in pod.notes)


def test_a_claim_is_the_folder_that_the_site_names_for_it() -> None:
    policy = SitePolicy(persistent_volume_claims={"data": "/cluster/data", "lab/home": "/cluster/lab", "home": "/h"})

    claimed = [
        mounted({"persistentVolumeClaim": {"claimName": name, "readOnly": True}}, policy=policy)
        for name in ("data", "home")
    ]

    assert claimed == [ClaimVolume(name="v", path=path, read_only=True) for path in ("/cluster/data", "/cluster/lab")]


@pytest.mark.parametrize("claims", [{}, {"other/data": "/cluster"}])
def test_a_claim_without_a_folder_is_refused_by_its_name(claims: dict[str, str]) -> None:
    source = {"persistentVolumeClaim": {"claimName": "data"}}

    with pytest.raises(UnsupportedPod, match="this site has no folder for the claim lab/data; its admin can name one"):
        mounted(source, policy=SitePolicy(persistent_volume_claims=claims))


def test_a_sub_path_expr_is_expanded_with_the_containers_variables() -> None:
    mount = {"name": "v", "mountPath": "/v", "subPathExpr": "$(A)/$(POD)/$$(A)"}
    env = [{"name": "A", "value": "a"}, {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    pod = a_pod_json(a_container_json(env=env, volumeMounts=[mount]), volumes=[{"name": "v", "emptyDir": {}}])

    (container,) = create.read(body(a_request(pod)), SitePolicy()).containers

    assert container.mounts[0].sub_path == "a/demo/$(A)"


@pytest.mark.parametrize("value", ["/x", "../x", "a/../..", None])
def test_a_sub_path_expr_cannot_leave_its_volume_either(value: str | None) -> None:
    env = [{"name": "A", "value": value}] if value else []
    mount = {"name": "v", "mountPath": "/v", "subPathExpr": "$(A)"}
    pod = a_pod_json(a_container_json(env=env, volumeMounts=[mount]), volumes=[{"name": "v", "emptyDir": {}}])

    with pytest.raises(UnsupportedPod, match="container main: volumeMount v: subPathExpr"):
        create.read(body(a_request(pod)), SitePolicy())


def test_a_missing_key_is_told_unless_it_is_optional() -> None:
    source: Json = {"name": "conf", "items": [{"key": "none", "path": "n"}]}

    with pytest.raises(UnsupportedPod, match="has no key 'none'"):
        mounted({"configMap": source})
    assert files(mounted({"configMap": source | {"optional": True}})) == {}


def test_an_optional_volume_may_be_absent() -> None:
    assert files(mounted({"secret": {"secretName": "other", "optional": True}})) == {}


@pytest.mark.parametrize("path", ["../x", "/x", "a/../b", "a//b", ".", "", "a/./b", "x\0"])
def test_a_file_cannot_leave_its_volume(path: str) -> None:
    with pytest.raises(MalformedRequest, match=r"is not a relative path without \.\."):
        mounted({"configMap": {"name": "conf", "items": [{"key": "a.txt", "path": path}]}})
    with pytest.raises(MalformedRequest, match=r"is not a relative path without \.\."):
        mounted(
            {"projected": {"sources": [{}]}}, projectedvolumemaps=[{"metadata": {"name": "v"}, "data": {path: "x"}}]
        )


@pytest.mark.parametrize("mode", [-1, 0o1000, 10**12])
def test_a_mode_is_one_of_a_file(mode: int) -> None:
    with pytest.raises(MalformedRequest, match="is not between 0 and 0777"):
        mounted({"configMap": {"name": "conf", "defaultMode": mode}})


@pytest.mark.parametrize("text", ["not base64!", SECRET, "YQ"])
def test_content_that_is_not_base64_is_told_without_showing_it(text: str) -> None:
    broken = {"metadata": {"name": "pass"}, "data": {"password": text}}

    with pytest.raises(MalformedRequest, match=r"the content of key 'password' is not base64$"):
        mounted({"secret": {"secretName": "pass"}}, secrets=[broken])


def test_a_site_that_does_not_export_pod_data_refuses_pods_that_need_it() -> None:
    with pytest.raises(UnsupportedPod, match="ExportPodData: false"):
        mounted({"secret": {"secretName": "pass"}}, policy=SitePolicy(export_pod_data=False))


@pytest.mark.parametrize(
    ("source", "volume"),
    [
        ({"emptyDir": {}}, EmptyDirVolume(name="v")),
        ({}, EmptyDirVolume(name="v")),
        (
            {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            EmptyDirVolume(name="v", in_memory=True, size_limit_bytes=1024**3),
        ),
        ({"hostPath": {"path": "/data/"}}, HostPathVolume(name="v", path="/data")),
        ({"hostPath": {"path": "/", "type": "Directory"}}, HostPathVolume(name="v", path="/", type="Directory")),
    ],
)
def test_volumes_without_content_are_read(source: Json, volume: Volume) -> None:
    assert mounted(source) == volume


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ({"emptyDir": {"medium": "HugePages"}}, UnsupportedPod),
        ({"emptyDir": {"sizeLimit": "much"}}, MalformedRequest),
        ({"hostPath": {"path": "data"}}, UnsupportedPod),
        ({"hostPath": {"path": "/data/../etc"}}, UnsupportedPod),
        ({"hostPath": {"path": "/data", "type": "Floppy"}}, MalformedRequest),
    ],
)
def test_a_volume_that_cannot_be_is_refused(source: Json, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^volume v: "):
        mounted(source)


def test_a_mount_says_where_and_how() -> None:
    mount = {"name": "v", "mountPath": "/v", "readOnly": True, "subPath": "a/b"}
    pod = a_pod_json(a_container_json(volumeMounts=[mount]), volumes=[{"name": "v", "emptyDir": {}}])

    (container,) = create.read(body(a_request(pod)), SitePolicy()).containers

    assert container.mounts == (Mount(volume="v", path="/v", read_only=True, sub_path="a/b"),)


@pytest.mark.parametrize(
    "mount",
    [
        {"mountPath": ""}, {"mountPath": "v"}, {"mountPath": "/a:/b"}, {"mountPath": "/a\nb"}, {"subPath": "/x"},
        {"subPath": "../x"}, {"subPath": "a/../../x"}, {"subPath": "a\nb"},
    ],
)  # fmt: skip
def test_a_mount_that_cannot_be_is_refused(mount: Json) -> None:
    with pytest.raises(UnsupportedPod, match=r"^container main: volumeMount v: "):
        mounted({"emptyDir": {}}, mount)


def test_a_mount_of_a_volume_that_is_not_there_is_told() -> None:
    pod = a_pod_json(a_container_json(volumeMounts=[{"name": "v", "mountPath": "/v"}]))

    with pytest.raises(MalformedRequest, match="volumeMount v: the pod has no volume of that name"):
        create.read(body(a_request(pod)), SitePolicy())


@pytest.mark.parametrize("name", ["../x", "V", "a/b"])
def test_a_volumes_name_becomes_a_path_and_is_checked(name: str) -> None:
    mount = {"name": name, "mountPath": "/v"}
    pod = a_pod_json(a_container_json(volumeMounts=[mount]), volumes=[{"name": name, "emptyDir": {}}])

    with pytest.raises(MalformedRequest, match="volumes"):
        create.read(body(a_request(pod)), SitePolicy())


def test_contents_are_not_in_a_files_repr() -> None:
    assert SECRET not in repr(VolumeFile(path="x", content=SECRET.encode()))
