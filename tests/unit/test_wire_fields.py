"""What a pod may ask for and will not get: refused by name, or noted where it cannot change the result."""

from __future__ import annotations

import pytest

from sidecar.domain.plan import SitePolicy
from sidecar.errors import UnsupportedPod
from sidecar.wire import create
from tests.factories import Json, a_container_json, a_pod_json, a_request, body

PROBE = {"httpGet": {"path": "/", "port": 80}}


def read(pod: Json, policy: SitePolicy | None = None) -> tuple[str, ...]:
    return create.read(body(a_request(pod)), policy or SitePolicy()).notes


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"shareProcessNamespace": True}, "shareProcessNamespace"),
        ({"hostPID": True}, "hostPID"),
        ({"hostIPC": True}, "hostIPC"),
        ({"resourceClaims": [{"name": "x"}]}, "resourceClaims"),
        ({"securityContext": {"runAsUser": 0}}, r"spec\.securityContext\.runAsUser: 0 \(root\) is never allowed"),
        ({"securityContext": {"sysctls": [{"name": "x"}]}}, r"spec\.securityContext\.sysctls"),
    ],
)
def test_a_pods_field_that_would_change_the_result_is_refused(spec: Json, message: str) -> None:
    with pytest.raises(UnsupportedPod, match=message):
        read(a_pod_json(**spec))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"envFrom": [{"secretRef": {"name": "s"}}]}, "envFrom has arrived unresolved"),
        ({"volumeDevices": [{"name": "x"}]}, "volumeDevices"),
        ({"restartPolicyRules": [{"action": "x"}]}, "restartPolicyRules"),
        ({"resources": {"claims": [{"name": "x"}]}}, r"resources\.claims"),
        ({"securityContext": {"privileged": True}}, "privileged"),
        ({"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}, r"capabilities\.add"),
        ({"securityContext": {"procMount": "Unmasked"}}, "procMount"),
    ],
)
def test_a_containers_field_that_would_change_the_result_is_refused(fields: Json, message: str) -> None:
    with pytest.raises(UnsupportedPod, match=f"^container main: .*{message}"):
        read(a_pod_json(a_container_json(**fields)))


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_a_probe_is_noted_where_probes_are_off(probe: str) -> None:
    pod = a_pod_json(a_container_json() | {probe: PROBE})

    assert read(pod) == ()
    assert read(pod, SitePolicy(enable_probes=False)) == (f"container main: {probe} ignored (EnableProbes: false)",)


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        ({"runtimeClassName": "kata"}, "spec.runtimeClassName ignored: "),
        ({"securityContext": {"fsGroup": 1000}}, "spec.securityContext.fsGroup ignored: "),
        ({"containers": [a_container_json(tty=True)]}, "container main: tty ignored: a batch job has no terminal"),
        ({"initContainers": [a_container_json("i", stdin=True)]}, "init container i: stdin ignored: "),
    ],
)
def test_a_field_that_cannot_change_the_result_is_noted(spec: Json, note: str) -> None:
    pod = a_pod_json()
    pod["spec"] |= spec

    (told,) = read(pod)
    assert told.startswith(note)


def test_what_every_pod_of_a_cluster_carries_is_neither_refused_nor_noted() -> None:
    pod = a_pod_json(
        a_container_json(terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File"),
        dnsPolicy="ClusterFirst", nodeName="virtual-kubelet", serviceAccountName="default", securityContext={},
        tolerations=[{"key": "x", "operator": "Exists"}], priority=0, enableServiceLinks=True, schedulerName="d",
        preemptionPolicy="PreemptLowerPriority", serviceAccount="default", terminationGracePeriodSeconds=30,
    )  # fmt: skip
    pod["metadata"] |= {"resourceVersion": "1", "managedFields": [{"manager": "x"}], "labels": {"a": "b"}}
    pod["status"] = {"phase": "Pending", "containerStatuses": [{"name": "main"}]}

    assert read(pod) == ()


@pytest.mark.parametrize(
    "spec",
    [
        {"hostNetwork": False, "hostPID": False, "hostIPC": False, "hostUsers": True, "shareProcessNamespace": False},
        {"dnsPolicy": "ClusterFirst", "dnsConfig": {}, "setHostnameAsFQDN": False, "os": {"name": "linux"}},
        {"imagePullSecrets": [], "hostAliases": None, "hostname": "", "ephemeralContainers": [], "overhead": {}},
        {"securityContext": {"sysctls": [], "supplementalGroups": None, "seccompProfile": None}},
    ],
)
def test_what_asks_for_nothing_is_neither_refused_nor_noted(spec: Json) -> None:
    assert read(a_pod_json(**spec)) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"securityContext": {"privileged": False, "procMount": "Default", "allowPrivilegeEscalation": True}},
        {"securityContext": {"capabilities": {"add": [], "drop": ["ALL"]}, "runAsNonRoot": True}},
        {"stdin": False, "stdinOnce": False, "tty": False, "envFrom": [], "volumeDevices": None, "lifecycle": {}},
        {"resources": {"claims": []}, "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]},
        {"ports": [{"containerPort": 80, "protocol": "TCP"}], "livenessProbe": None, "restartPolicy": None},
    ],
)
def test_what_asks_for_nothing_in_a_container_is_neither_refused_nor_noted(fields: Json) -> None:
    assert read(a_pod_json(a_container_json(**fields))) == ()


def test_a_mount_may_state_the_defaults() -> None:
    mount = {"name": "v", "mountPath": "/v", "mountPropagation": "None", "recursiveReadOnly": "Disabled"}
    pod = a_pod_json(a_container_json(volumeMounts=[mount]), volumes=[{"name": "v", "emptyDir": {}}])

    assert read(pod) == ()


@pytest.mark.parametrize("kind", ["nfs", "iscsi", "csi", "ephemeral", "aKindOfTheFuture"])
def test_a_kind_of_volume_that_is_not_supported_is_named(kind: str) -> None:
    with pytest.raises(UnsupportedPod, match=f"{kind} is not supported"):
        read(a_pod_json(volumes=[{"name": "v", kind: {"server": "x"}}]))


def test_a_source_of_files_that_is_not_known_is_named() -> None:
    sources = [{"aSourceOfTheFuture": {"path": "x"}}]
    with pytest.raises(UnsupportedPod, match=r"^volume v: projected\.sources\.aSourceOfTheFuture is not supported"):
        read(a_pod_json(volumes=[{"name": "v", "projected": {"sources": sources}}]))


def test_unknown_fields_are_named_in_the_pods_notes() -> None:
    mount = {"name": "v", "mountPath": "/v", "readonly": True}
    main = a_container_json(imagePullPolcy="Never", volumeMounts=[mount], newest={}, env=[{"name": "A", "valu": "1"}])
    pod = a_pod_json(main, restartPolcy="Never", host_network=True, volumes=[{"name": "v", "emptyDir": {"siz": 1}}])
    pod["strange"] = 1

    assert set(read(pod)) == {
        "unknown field container main: imagePullPolcy skipped",
        "unknown field container main: volumeMounts.readonly skipped",
        "unknown field container main: env.valu skipped",
        "unknown field spec.restartPolcy skipped",
        "unknown field spec.host_network skipped",
        "unknown field volume v: emptyDir.siz skipped",
        "unknown field strange skipped",
    }


def test_a_field_is_told_once_for_all_items_of_a_list() -> None:
    ports = [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 81}]

    assert len(read(a_pod_json(a_container_json(ports=ports)))) == 1


def test_keys_of_maps_are_no_fields() -> None:
    pod = a_pod_json(a_container_json(resources={"limits": {"cpu": 1}}), annotations={"anything": "goes"})
    pod["metadata"]["labels"] = {"anything": "goes"}

    assert read(pod) == ()


def test_a_size_limit_is_recorded() -> None:
    mount = {"name": "v", "mountPath": "/v"}
    volume = {"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}
    (told,) = read(a_pod_json(a_container_json(volumeMounts=[mount]), volumes=[volume]))

    assert told.startswith("volume v: emptyDir.sizeLimit (1Gi, recorded only) ignored: ")
