"""The body of ``/create``: read with Kubernetes' defaults, or refused in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.domain.plan import SitePolicy
from sidecar.domain.pod import ContainerRole, Pod, PullPolicy, Resources, RestartPolicy
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import create
from tests.factories import UID, Json, a_container_json, a_pod_json, a_request, body

SECRET = "hunter2-do-not-tell"


def read(pod: Json | None = None, policy: SitePolicy | None = None, **retrieved: Any) -> Pod:
    return create.read(body(a_request(pod, **retrieved)), policy or SitePolicy())


def with_container(**fields: Any) -> Pod:
    return read(a_pod_json(a_container_json(**fields)))


def with_metadata(**fields: Any) -> Json:
    pod = a_pod_json()
    pod["metadata"] |= fields
    return pod


def test_a_bare_pod_gets_kubernetes_defaults() -> None:
    pod = a_pod_json({"name": "main", "image": "busybox"})
    del pod["spec"]["restartPolicy"]

    read_pod = read(pod)

    assert (read_pod.uid, read_pod.namespace, read_pod.name) == (UID, "lab", "demo")
    assert (read_pod.restart_policy, read_pod.grace_seconds) == (RestartPolicy.ALWAYS, 30)
    (container,) = read_pod.containers
    assert (container.command, container.args, container.env, container.working_dir) == ((), (), (), "")
    assert (container.pull_policy, container.requests) == (PullPolicy.ALWAYS, Resources())
    assert read_pod.notes == ()


def test_a_list_of_one_is_read_like_the_object_in_it() -> None:
    assert create.read(body([a_request()]), SitePolicy()) == read()


@pytest.mark.parametrize("count", [0, 2])
def test_a_list_of_another_length_is_refused(count: int) -> None:
    with pytest.raises(MalformedRequest, match=rf"^\$: expected one pod, got a list of {count}$"):
        create.read(body([a_request()] * count), SitePolicy())


def test_init_containers_come_first() -> None:
    pod = read(a_pod_json(init=[a_container_json("setup"), a_container_json("fetch")]))

    assert [(c.name, c.role) for c in pod.containers] == [
        ("setup", ContainerRole.INIT),
        ("fetch", ContainerRole.INIT),
        ("main", ContainerRole.MAIN),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "Expected `object`, got `null`"),
        (b"{", "not valid JSON"),
        (b'{"pod": }', "not valid JSON"),
        (b'"\xff"', "UTF-8|not valid JSON|Expected"),
        (b"[" * 100_000, "nested too deeply|not valid JSON|Expected"),
        (b"{}", "missing required field `pod`"),
        (b'{"pod": {"metadata": {}}}', r"missing required field `spec` - at `\$\.pod`"),
        (b'{"pod": {"metadata": {"name": 5}}}', r"Expected `str`, got `int` - at `\$\.pod\.metadata\.name`"),
        (b'{"pod": {"metadata": {}, "spec": {"containers": {}}}}', r"Expected `array`.*\$\.pod\.spec\.containers`"),
        (
            b'{"pod": {"metadata": {}, "spec": {"containers": [{}]}}}',
            r"`name` - at `\$\.pod\.spec\.containers\[0\]`",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(text: bytes, message: str) -> None:
    with pytest.raises(MalformedRequest, match=message):
        create.read(text, SitePolicy())


BAD_UIDS = ["", "..", "../../etc", f"{UID}/..", UID.upper(), UID + "\n", "x" * 32, None]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        *(({"uid": bad}, r"\$\.pod\.metadata\.uid") for bad in BAD_UIDS),
        *(({"namespace": bad}, r"\$\.pod\.metadata\.namespace") for bad in ("../x", "a/b", "A", "a" * 64, "a\n", "-a")),
        *(({"name": bad}, r"\$\.pod\.metadata\.name") for bad in ("", "../x", "a..b", "a/b", "A", "a" * 254, "a\n")),
    ],
)
def test_identifiers_of_another_form_are_refused_before_a_path_is_made_of_them(fields: Json, path: str) -> None:
    with pytest.raises(MalformedRequest, match=rf"^{path}: "):
        read(with_metadata(**fields))


@pytest.mark.parametrize("pod_uid", [UID, UID.replace("-", "")])
def test_both_forms_of_a_uid_are_taken(pod_uid: str) -> None:
    assert read(a_pod_json(pod_uid=pod_uid)).uid == pod_uid


def test_a_pod_without_a_namespace_is_in_the_sites() -> None:
    assert read(with_metadata(namespace=None), SitePolicy(default_namespace="hpc")).namespace == "hpc"


@pytest.mark.parametrize("names", [["main", "main"], ["Main"], ["../x"], ["a b"], [""]])
def test_container_names_must_be_labels_and_different(names: list[str]) -> None:
    with pytest.raises(MalformedRequest, match=r"^\$\.pod\.spec\.containers"):
        read(a_pod_json(*(a_container_json(name) for name in names)))


def test_variables_are_expanded_in_command_and_arguments_but_not_once_more_in_the_environment() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "pa$$word$(A)"}, {"name": "EMPTY"}]
    (container,) = with_container(env=env, command=["echo", "$(B)"], args=["$(A)", "$(NONE)"]).containers

    assert container.env == (("A", "1"), ("B", "pa$$word$(A)"), ("EMPTY", ""))
    assert container.command == ("echo", "pa$$word$(A)")
    assert container.args == ("1", "$(NONE)")


@pytest.mark.parametrize("value", ["", "a\nb", "'\"\\$`", "  ", "é\u2028😀", "x" * 100_000])
def test_every_value_of_a_variable_arrives_as_it_is(value: str) -> None:
    assert with_container(env=[{"name": "V", "value": value}]).containers[0].env == (("V", value),)


@pytest.mark.parametrize("name", ["", "A=B", "A\0"])
def test_a_variable_that_no_process_can_have_is_refused(name: str) -> None:
    with pytest.raises(MalformedRequest, match="container main: env"):
        with_container(env=[{"name": name, "value": SECRET}])


def test_of_two_variables_with_one_name_the_last_counts() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "A", "value": "3"}]

    assert dict(with_container(env=env).containers[0].env) == {"A": "3", "B": "2"}


def test_field_references_left_by_interlink_are_resolved() -> None:
    env = [{"name": n, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.{n}"}}} for n in ("name", "namespace", "uid")]

    assert with_container(env=env).containers[0].env == (("name", "demo"), ("namespace", "lab"), ("uid", UID))


@pytest.mark.parametrize(
    ("value_from", "error"),
    [
        ({"secretKeyRef": {"name": "s", "key": "k"}}, UnsupportedPod),
        ({"fieldRef": {"fieldPath": "status.qosClass"}}, UnsupportedPod),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, UnsupportedPod),
        ({"fieldRef": {}}, MalformedRequest),
        ("x", MalformedRequest),
    ],
)
def test_other_references_are_refused(value_from: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"container main: env V: |valueFrom"):
        with_container(env=[{"name": "V", "valueFrom": value_from}])


@pytest.mark.parametrize(
    "spec",
    [
        {"restartPolicy": "Sometimes"},
        {"terminationGracePeriodSeconds": -1},
        {"terminationGracePeriodSeconds": 10**15},
        {"containers": []},
        {"containers": [a_container_json(imagePullPolicy="Often")]},
    ],
)
def test_values_that_kubernetes_does_not_know_are_refused(spec: Json) -> None:
    with pytest.raises(MalformedRequest):
        read(a_pod_json() | {"spec": a_pod_json()["spec"] | spec})


def test_no_grace_is_a_grace_of_zero_seconds() -> None:
    assert read(a_pod_json(terminationGracePeriodSeconds=0)).grace_seconds == 0


@pytest.mark.parametrize("path", ["relative", "/a\nb", "/a\0"])
def test_a_working_directory_is_an_absolute_path(path: str) -> None:
    with pytest.raises(UnsupportedPod, match="container main: workingDir"):
        with_container(workingDir=path)


def test_a_ready_made_script_is_taken_and_noted() -> None:
    pod = create.read(body(a_request() | {"jobScript": "#!/bin/sh\necho secret"}), SitePolicy())

    assert pod.job_script == "#!/bin/sh\necho secret"
    assert pod.notes[0].startswith("jobScript: interLink brings the job's script")
    assert "secret" not in repr(pod)


def test_secrets_are_not_in_the_pods_repr() -> None:
    pod = with_container(env=[{"name": "V", "value": SECRET}], command=["echo", SECRET], args=["$(V)"])

    assert SECRET not in repr(pod)


def test_a_job_script_of_windows_lines_can_be_run_and_the_history_says_so() -> None:
    request = a_request() | {"jobScript": "#!/bin/sh\r\necho a\r\n"}
    pod = create.read(body(request), SitePolicy())

    assert pod.job_script == "#!/bin/sh\necho a\n"
    assert any("CR LF" in note for note in pod.notes)
