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
        ({"activeDeadlineSeconds": 5}, r"spec\.activeDeadlineSeconds"),
        ({"shareProcessNamespace": True}, "shareProcessNamespace"),
        ({"hostPID": True}, "hostPID"),
        ({"hostIPC": True}, "hostIPC"),
        ({"resourceClaims": [{"name": "x"}]}, "resourceClaims"),
        ({"securityContext": {"runAsUser": 0}}, r"spec\.securityContext\.runAsUser: 0 \(root\) is never allowed"),
        ({"securityContext": {"sysctls": [{}]}}, "sysctls"),
        ({"initContainers": [a_container_json("s", restartPolicy="Always")]}, "native sidecars"),
    ],
)
def test_a_pods_field_that_would_change_the_result_is_refused(spec: Json, message: str) -> None:
    with pytest.raises(UnsupportedPod, match=message):
        read(a_pod_json(**spec))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lifecycle": {"preStop": {}}}, "lifecycle hooks"),
        ({"envFrom": [{"secretRef": {"name": "s"}}]}, "envFrom has arrived unresolved"),
        ({"volumeDevices": [{}]}, "volumeDevices"),
        ({"restartPolicyRules": [{}]}, "restartPolicyRules"),
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
def test_a_probe_is_noted_where_probes_are_off_and_refused_where_they_are_on(probe: str) -> None:
    pod = a_pod_json(a_container_json() | {probe: PROBE})

    assert read(pod) == (f"container main: {probe} ignored (EnableProbes: false)",)
    with pytest.raises(UnsupportedPod, match=probe):
        read(pod, SitePolicy(enable_probes=True))


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        ({"hostNetwork": True}, "spec.hostNetwork ignored"),
        ({"hostname": "h"}, "spec.hostname ignored"),
        ({"imagePullSecrets": [{"name": "s"}]}, "spec.imagePullSecrets ignored"),
        ({"securityContext": {"fsGroup": 1000}}, "spec.securityContext.fsGroup ignored"),
        (
            {"containers": [a_container_json(tty=True)]},
            "container main: stdin and tty ignored: a batch job has no terminal",
        ),
        (
            {"containers": [a_container_json(terminationMessagePath="/x")]},
            "container main: terminationMessagePath ignored",
        ),
    ],
)
def test_a_field_that_cannot_change_the_result_is_noted(spec: Json, note: str) -> None:
    pod = a_pod_json()
    pod["spec"] |= spec

    assert read(pod) == (note,)


def test_what_every_pod_of_a_cluster_carries_is_neither_refused_nor_noted() -> None:
    pod = a_pod_json(
        a_container_json(terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File"),
        dnsPolicy="ClusterFirst", nodeName="virtual-kubelet", serviceAccountName="default", securityContext={},
        tolerations=[{"key": "x", "operator": "Exists"}], priority=0, enableServiceLinks=True, schedulerName="d",
    )  # fmt: skip
    pod["metadata"] |= {"resourceVersion": "1", "managedFields": [{"manager": "x"}], "labels": {"a": "b"}}
    pod["status"] = {"phase": "Pending", "containerStatuses": [{"name": "main"}]}

    assert read(pod) == ()


@pytest.mark.parametrize("kind", ["nfs", "persistentVolumeClaim", "csi", "ephemeral"])
def test_a_kind_of_volume_that_is_not_supported_is_named(kind: str) -> None:
    with pytest.raises(UnsupportedPod, match=f"{kind} is not supported"):
        read(a_pod_json(volumes=[{"name": "v", kind: {"server": "x"}}]))


def test_unknown_fields_are_named_in_the_pods_notes() -> None:
    pod = a_pod_json(a_container_json(imagePullPolcy="Never"), restartPolcy="Never")

    assert read(pod) == (
        "unknown field spec.containers.imagePullPolcy skipped",
        "unknown field spec.restartPolcy skipped",
    )
